export { blake2s } from "@noble/hashes/blake2.js";

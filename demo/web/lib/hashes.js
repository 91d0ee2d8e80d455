export { blake2s } from "@noble/hashes/blake2.js";
export { sha256 } from "@noble/hashes/sha2.js";

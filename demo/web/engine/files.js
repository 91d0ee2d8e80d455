// Bytes from where the page lies: fetched, unpacked, and held to their promised size and hash.
import { refuse } from "./refusal.js";

/** A file of the page; one that ends in .gz comes unpacked. @param {string} name */
export async function read(name) {
  const answer = await fetch(new URL(name, self.location.href)).catch(() => null); // no network
  if (!answer?.ok) refuse("web.file", { file: name });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b; // some servers unpack it themselves
  if (!packed) return bytes;
  const unpacking = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacking).arrayBuffer());
}

/** @param {string} name */
export async function readJson(name) {
  return JSON.parse(new TextDecoder().decode(await read(name)));
}

/**
 * Hold a file to what was promised of it.
 * @param {string} file its name
 * @param {Uint8Array} bytes
 * @param {{sha256: string, bytes: number}} promised
 */
export async function check(file, bytes, promised) {
  if (bytes.length !== promised.bytes)
    refuse("bundle.size", { file, found: bytes.length, bytes: promised.bytes });
  if ((await sha256(bytes)) !== promised.sha256) refuse("bundle.changed", { file });
}

/** In hex. @param {Uint8Array} bytes */
export async function sha256(bytes) {
  const hash = globalThis.crypto?.subtle // pages without https have none
    ? new Uint8Array(await crypto.subtle.digest("SHA-256", /** @type {BufferSource} */ (bytes)))
    : (await import("../lib/hashes.js")).sha256(bytes);
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The files of the one bundle of a zip archive; everything else in it is left alone. What is
// refused is what charmodels/runtime/sources.py refuses.
import { GRAPH_NAME, MAX_GRAPH_BYTES, MAX_JSON_BYTES, WEIGHTS } from "./bundle.js";
import { refuse } from "./refusal.js";
import { sum } from "./sampling.js";

/** @typedef {{name: string, method: number, packed: number, size: number, start: number}} Entry */

const END = 0x06054b50;
const LISTED = 0x02014b50;
const FILE = 0x04034b50;
const LOCATOR_64 = 0x07064b50;

/**
 * @param {Uint8Array} bytes the archive
 * @param {{maxFiles: number, maxEntries: number, maxRatio: number}} limits
 * @returns {Promise<Map<string, Uint8Array>>}
 */
export async function unpackBundle(bytes, limits) {
  const entries = listed(bytes, limits);
  const tops = entries.filter(({ name }) => name.split("/").pop() === "bundle.json");
  if (tops.length !== 1 || tops[0].name.split("/").length > 2) refused("bundle.json");
  const top = tops[0].name.slice(0, -"bundle.json".length);
  const wanted = entries
    .filter(({ name }) => name.startsWith(top))
    .map((entry) => ({ ...entry, name: entry.name.slice(top.length) }))
    .filter(({ name }) => name === "bundle.json" || name === WEIGHTS || GRAPH_NAME.test(name));
  if (wanted.length > limits.maxFiles || sum(wanted.map(({ size }) => size)) > MAX_GRAPH_BYTES) refused(wanted.length);
  const files = new Map();
  for (const entry of wanted) {
    if (entry.name === "bundle.json" && entry.size > MAX_JSON_BYTES) refuse("bundle.large", { file: entry.name });
    files.set(entry.name, await unpack(bytes, entry));
  }
  return files;
}

/** Little-endian whole numbers. @param {Uint8Array} bytes */
function numbers(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const u16 = (/** @type {number} */ at) => view.getUint16(at, true);
  return { u16, u32: (/** @type {number} */ at) => view.getUint32(at, true) };
}

/** What the archive lists, once each is a plain file that stays inside. @param {Uint8Array} bytes @param {{maxEntries: number, maxRatio: number}} limits */
function listed(bytes, { maxEntries, maxRatio }) {
  const { u16, u32 } = numbers(bytes);
  let end = bytes.length - 22;
  while (end >= 0 && end >= bytes.length - 2 ** 16 - 22 && u32(end) !== END) end -= 1;
  if (end < 0 || u32(end) !== END) refused("PK");
  const size = u32(end + 12);
  const is64 = end >= 20 && u32(end - 20) === LOCATOR_64;
  if (size > 256 * maxEntries || size > end || is64) refused(size);
  /** @type {Entry[]} */
  const entries = [];
  for (let at = end - size; at < end; ) {
    if (at + 46 > end || u32(at) !== LISTED || entries.length === maxEntries) refused(entries.length);
    const length = u16(at + 28);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + length));
    const entry = { name, method: u16(at + 10), packed: u32(at + 20), size: u32(at + 24), start: u32(at + 42) };
    const kind = u32(at + 38) >>> 28; // of Unix's mode: 4 a folder, 8 a file, 0 unsaid
    const leads = name.replaceAll("\\", "/").split("/").includes("..") || /^[/\\]|[:\0]/.test(name);
    const isEncrypted = u16(at + 8) & 1;
    if (leads || ![0, 4, 8].includes(kind) || isEncrypted || ![0, 8].includes(entry.method)) refused(name);
    if (entry.size > maxRatio * entry.packed + 2 ** 16) refused(name);
    entries.push(entry);
    at += 46 + length + u16(at + 30) + u16(at + 32);
  }
  return entries;
}

/** A file's bytes; never more than it said. @param {Uint8Array} bytes @param {Entry} entry */
async function unpack(bytes, { name, method, packed, size, start }) {
  const { u16, u32 } = numbers(bytes);
  if (start + 30 > bytes.length || u32(start) !== FILE) refused(name);
  const from = start + 30 + u16(start + 26) + u16(start + 28);
  const stored = bytes.slice(from, from + packed);
  if (method === 0) return stored;
  const whole = new Uint8Array(size);
  let filled = 0;
  try {
    const reader = new Blob([stored]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    for (;;) {
      const { value } = await reader.read();
      if (!value) break;
      if (filled + value.length > size) refused(name);
      whole.set(value, filled);
      filled += value.length;
    }
  } catch {
    refused(name);
  }
  if (filled !== size) refused(name);
  return whole;
}

/** @param {unknown} what @returns {never} */
function refused(what) {
  refuse("bundle.zip", { what: String(what).slice(0, 60) });
}

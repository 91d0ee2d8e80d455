// The files of the one bundle of a zip archive; everything else in it is left alone. What is
// refused is what charmodels/runtime/sources.py refuses.
import { GRAPH_NAME, MAX_GRAPH_BYTES, MAX_JSON_BYTES, WEIGHTS } from "./bundle.js";
import { Refusal } from "./refusal.js";

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
  if (tops.length !== 1 || tops[0].name.split("/").length > 2) throw refused("bundle.json");
  const top = tops[0].name.slice(0, -"bundle.json".length);
  const wanted = entries
    .filter(({ name }) => name.startsWith(top))
    .map((entry) => ({ ...entry, name: entry.name.slice(top.length) }))
    .filter(({ name }) => name === "bundle.json" || name === WEIGHTS || GRAPH_NAME.test(name));
  if (wanted.length > limits.maxFiles || wanted.reduce((sum, { size }) => sum + size, 0) > MAX_GRAPH_BYTES) throw refused(wanted.length);
  const files = new Map();
  for (const entry of wanted) {
    if (entry.name === "bundle.json" && entry.size > MAX_JSON_BYTES) throw new Refusal("bundle.large", { file: entry.name });
    files.set(entry.name, await unpack(bytes, entry));
  }
  return files;
}

/** What the archive lists, once each is a plain file that stays inside. @param {Uint8Array} bytes @param {{maxEntries: number, maxRatio: number}} limits */
function listed(bytes, { maxEntries, maxRatio }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let end = bytes.length - 22;
  while (end >= 0 && end >= bytes.length - 2 ** 16 - 22 && view.getUint32(end, true) !== END) end -= 1;
  if (end < 0 || view.getUint32(end, true) !== END) throw refused("PK");
  const size = view.getUint32(end + 12, true);
  const is64 = end >= 20 && view.getUint32(end - 20, true) === LOCATOR_64;
  if (size > 256 * maxEntries || size > end || is64) throw refused(size);
  /** @type {Entry[]} */
  const entries = [];
  for (let at = end - size; at < end; ) {
    if (at + 46 > end || view.getUint32(at, true) !== LISTED || entries.length === maxEntries) throw refused(entries.length);
    const length = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + length));
    const entry = { name, method: view.getUint16(at + 10, true), packed: view.getUint32(at + 20, true), size: view.getUint32(at + 24, true), start: view.getUint32(at + 42, true) };
    const kind = view.getUint32(at + 38, true) >>> 28; // of Unix's mode: 4 a folder, 8 a file, 0 unsaid
    const leads = name.replaceAll("\\", "/").split("/").includes("..") || /^[/\\]|[:\0]/.test(name);
    const isEncrypted = view.getUint16(at + 8, true) & 1;
    if (leads || ![0, 4, 8].includes(kind) || isEncrypted || ![0, 8].includes(entry.method)) throw refused(name);
    if (entry.size > maxRatio * entry.packed + 2 ** 16) throw refused(name);
    entries.push(entry);
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

/** A file's bytes; never more than it said. @param {Uint8Array} bytes @param {Entry} entry */
async function unpack(bytes, { name, method, packed, size, start }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (start + 30 > bytes.length || view.getUint32(start, true) !== FILE) throw refused(name);
  const from = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
  const stored = bytes.slice(from, from + packed);
  if (method === 0) return stored;
  const whole = new Uint8Array(size);
  let filled = 0;
  try {
    const reader = new Blob([stored]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    for (;;) {
      const { value } = await reader.read();
      if (!value) break;
      if (filled + value.length > size) throw refused(name);
      whole.set(value, filled);
      filled += value.length;
    }
  } catch {
    throw refused(name);
  }
  if (filled !== size) throw refused(name);
  return whole;
}

/** @param {unknown} what */
function refused(what) {
  return new Refusal("bundle.zip", { what: String(what).slice(0, 60) });
}

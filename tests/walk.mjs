// Drives export/examples/stream.mjs for the tests: a request as JSON on stdin, the answer on stdout.
import { readFileSync } from "node:fs";
import { openBundle } from "../export/examples/stream.mjs";

const { folder, tokens, maxChars } = JSON.parse(readFileSync(0, "utf8"));
const { zero, step, stream } = await openBundle(folder);
let [logits, state, walked] = [null, zero, []];
for (const id of tokens) {
  [logits, state] = await step(id, state);
  walked.push([...logits]);
}
let text = "";
for await (const character of stream("", 0, maxChars)) text += character;
console.log(JSON.stringify({ logits: walked, text }));

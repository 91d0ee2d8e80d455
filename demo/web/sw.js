// Keeps the page for when there is no network: all of it but the models at the first visit, the
// first model too, and each other model once it was chosen.
/* global self, caches, importScripts */
importScripts("files.js"); // staged with the page: its files, and a name for their contents
const { version, files } = /** @type {any} */ (self).staged;
const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const OURS = `charmodels ${worker.registration.scope} `; // others may lie on the same host
const NAME = OURS + version;

worker.oninstall = (/** @type {ExtendableEvent} */ event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(files.map((/** @type {string} */ file) => new Request(file, { cache: "reload" })))));
};

worker.onactivate = (/** @type {ExtendableEvent} */ event) => {
  const drop = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith(OURS) && name !== NAME);
    await Promise.all(old.map((name) => caches.delete(name)));
    await worker.clients.claim();
  };
  event.waitUntil(drop());
};

worker.onfetch = (/** @type {FetchEvent} */ event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(worker.registration.scope)) return;
  const answer = async () => {
    const cache = await caches.open(NAME);
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    const fresh = await fetch(request);
    if (fresh.ok) await cache.put(request, fresh.clone()).catch(() => {}); // no room: it is not kept
    return fresh;
  };
  event.respondWith(answer());
};

// Code generated from worker.js and what it imports by "make worker". DO NOT EDIT.

(() => {
  // app/sign.js
  var utf8 = new TextEncoder();
  var b64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  var randomId = () => b64url(crypto.getRandomValues(new Uint8Array(16)));
  var ecdsa = { name: "ECDSA", hash: "SHA-256" };
  var publicKey = (a) => ({ kty: "EC", crv: "P-256", x: a.x, y: a.y });
  var seconds = (a) => Math.floor(Date.now() / 1e3) + (a.offset ?? 0);
  async function envelope(a, typ, claims, second) {
    const head = { alg: "ES256", typ: typ + "+jwt", ...typ === "pair" ? { jwk: publicKey(a) } : { kid: a.device + (second ? "#uv" : "") } };
    const body = { aud: a.issuer, iat: seconds(a), jti: randomId(), ...claims };
    const text = b64url(utf8.encode(JSON.stringify(head))) + "." + b64url(utf8.encode(JSON.stringify(body)));
    return text + "." + b64url(await crypto.subtle.sign(ecdsa, second ?? a.key, utf8.encode(text)));
  }
  var digest = async (text) => b64url(await crypto.subtle.digest("SHA-256", utf8.encode(text)));
  var thumbprint = (a) => digest(`{"crv":"P-256","kty":"EC","x":"${a.x}","y":"${a.y}"}`);

  // app/store.js
  var base = "hilum";
  var opened;
  function open() {
    opened ??= new Promise((resolve, reject) => {
      const r = indexedDB.open(base, 1);
      r.onupgradeneeded = () => {
        r.result.createObjectStore("accounts", { keyPath: "id" });
      };
      r.onerror = () => {
        opened = void 0;
        reject(r.error);
      };
      r.onsuccess = () => {
        const forget = () => {
          opened = void 0;
        };
        r.result.onversionchange = () => {
          r.result.close();
          forget();
        };
        r.result.onclose = forget;
        resolve(r.result);
      };
    });
    return opened;
  }
  async function run(mode, fn) {
    const db = await open();
    return new Promise((resolve, reject) => {
      const tx = db.transaction("accounts", mode);
      const r = fn(tx.objectStore("accounts"));
      tx.oncomplete = () => resolve(r.result);
      tx.onabort = () => reject(tx.error);
    });
  }
  var kept = () => run("readonly", (s) => s.getAll());
  var keptOne = (id) => run("readonly", (s) => s.get(id));
  var moved = (a, list) => list.some((b) => b.id === a.moved);
  async function change(a, fields) {
    Object.assign(a, fields);
    await run("readwrite", (s) => {
      const r = s.get(a.id);
      r.onsuccess = () => {
        if (r.result) s.put(Object.assign(r.result, fields));
      };
      return r;
    });
  }

  // app/protocol.js
  var Fault = class extends Error {
    /** @param {string} code @param {{ after?: number, time?: number, cause?: unknown }} more */
    constructor(code, { after, time, cause } = {}) {
      super(code, { cause });
      this.code = code;
      this.after = after;
      this.time = time;
    }
  };
  var patience = 15e3;
  async function call(a, path, init, wait = 0) {
    let reply;
    try {
      reply = await fetch(a.issuer + "/device/v1/" + path, {
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(patience + wait * 1e3),
        ...init
      });
    } catch (err) {
      throw new Fault("offline", { cause: err });
    }
    if (reply.ok) return reply;
    let p = {};
    try {
      p = await reply.json();
    } catch {
    }
    throw new Fault(p.error ?? "server", { after: p.retry_after, time: p.server_time });
  }
  async function skewed(a, fault) {
    if (fault.code !== "clock_skew" || !fault.time) return false;
    await change(a, { offset: fault.time - Math.floor(Date.now() / 1e3) });
    return true;
  }
  async function twice(a, fn) {
    try {
      return await fn();
    } catch (fault) {
      if (!await skewed(a, fault)) throw fault;
      return fn();
    }
  }
  function post(a, path, typ, claims, wait = 0, signal = void 0, second = void 0) {
    return twice(a, async () => {
      const init = { method: "POST", headers: { "Content-Type": "application/jose" }, body: await envelope(a, typ, claims, second), keepalive: path === "answer" };
      if (signal && AbortSignal.any) init.signal = AbortSignal.any([signal, AbortSignal.timeout(patience + wait * 1e3)]);
      const reply = await call(a, path, init, wait);
      if (reply.status === 204) return null;
      try {
        return await reply.json();
      } catch {
        throw new Fault("server");
      }
    });
  }
  var steady = 5;
  async function questions(a, wait = 0, signal = void 0) {
    const reply = await post(a, "challenges", "list", wait ? { wait } : {}, wait, signal);
    const off = reply.server_time - Math.floor(Date.now() / 1e3);
    if (Math.abs(off - (a.offset ?? 0)) > steady) await change(a, { offset: Math.abs(off) > steady ? off : 0 });
    return reply;
  }
  var setPush = (a, push) => post(a, "push", "push", { push });
  function readDoc(a, cid, text) {
    let doc;
    try {
      doc = JSON.parse(text);
    } catch {
      throw new Fault("newer");
    }
    const m = doc.match ?? {};
    const ok = doc.v === 1 && (doc.must ?? []).every?.((name) => name === "uv" && a.uv) && ["login", "pair", "stepup"].includes(doc.purpose) && (m.mode === "tap" || m.mode === "type" && m.len >= 1 && m.len <= 8 || m.mode === "pick" && Array.isArray(m.choices) && m.choices.length > 1 && m.choices.every((n) => /^\d{1,8}$/.test(n)));
    if (!ok) throw new Fault("newer");
    if (doc.cid !== cid || doc.iss !== a.issuer) throw new Fault("damaged");
    if (seconds(a) >= doc.exp) throw new Fault("stale");
    return doc;
  }
  async function answer(a, ask, decision, second) {
    if (decision.decision === "approve") readDoc(a, ask.cid, ask.text);
    return post(a, "answer", "answer", { cid: ask.cid, ch: await digest(ask.text), ...decision }, 0, void 0, second);
  }
  function addressOf(sub) {
    const { endpoint = "", keys = {} } = sub.toJSON();
    return { type: "webpush", endpoint, p256dh: keys.p256dh, auth: keys.auth };
  }
  var vapidBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

  // app/language.js
  var languages = ["de", "en", "fr", "nl"];
  var wished = (navigator.languages ?? []).map((tag) => /^([a-z]{2})\b(?:.*-([a-z]{2})\b)?/i.exec(tag)).filter((m) => m !== null);
  var chosen = wished.find(([, l]) => languages.includes(l.toLowerCase()));
  var language = (
    /** @type {'de' | 'en' | 'fr' | 'nl'} */
    chosen ? chosen[1].toLowerCase() : "en"
  );
  var locale = !chosen ? "en-GB" : chosen[2] ? language + "-" + chosen[2].toUpperCase() : language;
  function speaker(list) {
    const plural = new Intl.PluralRules(language), number = new Intl.NumberFormat(locale);
    return (key, args = {}) => {
      let text = list[key] ?? key;
      if (typeof text !== "string") text = text[plural.select(Number(args.N))] ?? text.other;
      return text.replace(/\{(\w+)\}/g, (whole, of) => {
        const arg = args[of];
        return typeof arg === "number" ? number.format(arg) : arg?.replace(/.*[\p{sc=Arab}\p{sc=Hebr}].*/su, "⁨$&⁩") ?? whole;
      });
    };
  }

  // app/notes.de.js
  var notes_de_default = {
    "ask.deny": "Ablehnen",
    "ask.pair": "Dieses Smartphone verknüpfen?",
    "ask.stepup": "Bestätigen, dass Sie es sind",
    "ask.title": "Anmelden bei {App}?",
    "push.changed": "Ihre Geräte haben sich geändert",
    "push.changed.text": "Eines wurde verknüpft oder getrennt. Öffnen, um es zu sehen.",
    "push.generic": "Anmeldeanfrage",
    "push.generic.text": "Zum Antworten öffnen.",
    "push.gone": "Nichts zu tun: Sie ist schon beantwortet.",
    "push.not.denied": "Ablehnen war von hier aus nicht möglich. Öffnen Sie die App.",
    "push.test": "Test",
    "push.test.text": "Benachrichtigungen kommen auf diesem Gerät an.",
    "push.text": "{Name} bei {Site}",
    "push.unlinked": "{Name} bei {Site} wurde getrennt.",
    "push.update": "Öffnen Sie die App, um sie zu aktualisieren."
  };

  // app/notes.en.js
  var notes_en_default = {
    "ask.deny": "Deny",
    "ask.pair": "Link this phone?",
    "ask.stepup": "Confirm that it is you",
    "ask.title": "Sign in to {App}?",
    "push.changed": "Your devices have changed",
    "push.changed.text": "One was linked or unlinked. Open to see.",
    "push.generic": "Sign-in request",
    "push.generic.text": "Open to answer.",
    "push.gone": "Nothing to do: it has been answered.",
    "push.not.denied": "It could not be denied from here. Open the app.",
    "push.test": "Test",
    "push.test.text": "Notifications work on this device.",
    "push.text": "{Name} at {Site}",
    "push.unlinked": "{Name} at {Site} was unlinked.",
    "push.update": "Open the app to update it."
  };

  // app/notes.fr.js
  var notes_fr_default = {
    "ask.deny": "Refuser",
    "ask.pair": "Associer ce téléphone ?",
    "ask.stepup": "Confirmez que c’est bien vous",
    "ask.title": "Se connecter à {App} ?",
    "push.changed": "Vos appareils ont changé",
    "push.changed.text": "L’un d’eux a été associé ou dissocié. Ouvrez pour voir.",
    "push.generic": "Demande de connexion",
    "push.generic.text": "Ouvrez pour répondre.",
    "push.gone": "Rien à faire : elle a reçu une réponse.",
    "push.not.denied": "Le refus n’a pas abouti d’ici. Ouvrez l’app.",
    "push.test": "Test",
    "push.test.text": "Les notifications arrivent sur cet appareil.",
    "push.text": "{Name} chez {Site}",
    "push.unlinked": "{Name} chez {Site} a été dissocié.",
    "push.update": "Ouvrez l’app pour la mettre à jour."
  };

  // app/notes.nl.js
  var notes_nl_default = {
    "ask.deny": "Weigeren",
    "ask.pair": "Deze telefoon koppelen?",
    "ask.stepup": "Bevestig dat u het bent",
    "ask.title": "Aanmelden bij {App}?",
    "push.changed": "Uw toestellen zijn gewijzigd",
    "push.changed.text": "Er is er een gekoppeld of ontkoppeld. Open om te kijken.",
    "push.generic": "Aanmeldverzoek",
    "push.generic.text": "Open om te antwoorden.",
    "push.gone": "Niets te doen: het is al beantwoord.",
    "push.not.denied": "Weigeren lukte van hieruit niet. Open de app.",
    "push.test": "Test",
    "push.test.text": "Meldingen komen op dit toestel aan.",
    "push.text": "{Name} bij {Site}",
    "push.unlinked": "{Name} bij {Site} is ontkoppeld.",
    "push.update": "Open de app om ze bij te werken."
  };

  // app/worker.js
  var worker = (
    /** @type {ServiceWorkerGlobalScope} */
    /** @type {unknown} */
    self
  );
  var { clients, registration } = worker;
  var scope = new URL(registration.scope).pathname;
  var base2 = /^(.*)\/app\//.exec(scope)?.[1] ?? "";
  var app = base2 + "/app/";
  var own = files.map((path) => base2 + path);
  var looks = extras.map((path) => base2 + path);
  var home = scope === app;
  var keptAs = base2 ? "hilum" + app : "hilum-app-";
  var cacheName = keptAs + version + "-" + look;
  var pages = [app, app + "scan"];
  var t = speaker({ de: notes_de_default, en: notes_en_default, fr: notes_fr_default, nl: notes_nl_default }[language]);
  worker.addEventListener("install", (event) => {
    if (home) event.waitUntil(fill());
  });
  async function fill() {
    const cache = await caches.open(cacheName);
    await cache.addAll([...own.filter(needed), ...looks].map((path) => new Request(path, { credentials: "omit" })));
    for (const path of pages) {
      const page = await fetch(path, { credentials: "omit", cache: "no-store" });
      if (!page.ok || !(await page.clone().text()).includes("/static/" + version + "/")) throw new Error(path);
      await cache.put(path, page);
    }
  }
  function needed(path) {
    const words = /\/(?:lock|notes|words)\.(\w+)\.js$/.exec(path);
    return !words || words[1] === language || words[1] === "en";
  }
  worker.addEventListener("activate", (event) => {
    if (home) event.waitUntil(begin());
  });
  async function begin() {
    for (const name of await caches.keys()) if (name.startsWith(keptAs) && name !== cacheName) await caches.delete(name);
    await clients.claim();
  }
  addEventListener("message", (event) => {
    if (event.data === "take over") worker.skipWaiting();
  });
  worker.addEventListener("fetch", (event) => {
    const url = new URL(event.request.url);
    if (!home || event.request.method !== "GET" || url.origin !== location.origin) return;
    if (event.request.mode === "navigate" && pages.includes(url.pathname)) event.respondWith(fromCache(url.pathname, event.request));
    else if (url.pathname.startsWith(base2 + "/static/" + version + "/app/") || looks.includes(url.pathname)) event.respondWith(fromCache(url.pathname, event.request));
    else if (url.pathname.startsWith(base2) && /^\/static\/[^/]+\/app\/main\.js$/.test(url.pathname.slice(base2.length))) event.respondWith(orAnew(event.request));
  });
  async function orAnew(request) {
    const got = await fetch(request).catch(() => void 0);
    return got?.ok ? got : new Response("location.reload()", { headers: { "Content-Type": "text/javascript" } });
  }
  async function fromCache(path, request) {
    const found = await caches.match(path, { cacheName });
    if (found) return found;
    const got = await fetch(request);
    if (got.ok && path.startsWith(base2 + "/static/") && await caches.has(cacheName)) await (await caches.open(cacheName)).put(path, got.clone());
    return got;
  }
  worker.addEventListener("push", (event) => {
    let message = {};
    try {
      message = event.data?.json() ?? {};
    } catch {
    }
    event.waitUntil(pushed(message));
  });
  async function pushed(message) {
    const said = message.notification ?? {};
    const tag = message.c || message.t || "request";
    const note = (title, body, more = {}) => registration.showNotification(title, {
      body,
      tag,
      icon: file("icon-192.png"),
      badge: file("badge.png"),
      lang: language,
      data: { cid: message.c },
      ...more
    });
    if (message.t === "gone") return note(t("push.generic"), t("push.gone"), { silent: true });
    if (message.t === "test") return note(t("push.test"), t("push.test.text"));
    if (message.t === "changed") {
      const gone = (await Promise.all((await meant(message)).map((one) => find(one)))).find((x) => x.unlinked);
      if (gone) return note(t("push.generic"), t("push.unlinked", { Name: gone.a.name, Site: gone.a.site }));
      return note(t("push.changed"), t("push.changed.text"));
    }
    if (message.t !== "login") return note(said.title ?? t("push.generic"), said.body ?? t("push.generic.text"));
    const seen = (await clients.matchAll({ type: "window" })).some((c) => c.visibilityState === "visible" && new URL(c.url).pathname.startsWith(app));
    const answers = await Promise.all((await meant(message)).map((one) => find(one, message.c)));
    const got = answers.find((x) => x.ask);
    if (!got?.ask) {
      const gone = answers.find((x) => x.unlinked);
      if (gone) return note(t("push.generic"), t("push.unlinked", { Name: gone.a.name, Site: gone.a.site }));
      if (answers.length && answers.every((x) => x.heard)) return note(t("push.generic"), t("push.gone"), { silent: true });
      return note(t("push.generic"), t("push.generic.text"));
    }
    await self.navigator.setAppBadge?.(answers.reduce((n, x) => n + (x.n ?? 0), 0))?.catch(() => {
    });
    const { a, ask, doc } = got;
    const who = t("push.text", { Name: a.name, Site: a.site });
    if (!doc) return note(t("push.generic"), t("push.update"), { data: { cid: ask.cid } });
    await note(doc.purpose === "pair" ? t("ask.pair") : doc.purpose === "stepup" ? t("ask.stepup") : t("ask.title", { App: doc.app }), who, {
      requireInteraction: true,
      silent: seen,
      timestamp: doc.at * 1e3,
      data: { cid: ask.cid, id: a.id, text: ask.text },
      // Approving always opens the app: what is approved has to be seen.
      actions: doc.purpose === "pair" ? [] : [{ action: "open", title: t("push.generic.text") }, { action: "deny", title: t("ask.deny") }]
    });
  }
  var file = (name) => own.find((path) => path.endsWith("/app/" + name));
  async function ours() {
    const list = [];
    for (const a of await kept().catch(() => [])) {
      const at = a.issuer === location.origin + base2 ? app : app + "at/" + (await digest(a.issuer)).slice(0, 16) + "/";
      if (at === scope && a.device && a.state !== "unknown" && a.state !== "unlinked") list.push(a);
    }
    return list;
  }
  async function meant(message) {
    const list = await ours();
    for (const a of message.a ? list : []) {
      if ((await thumbprint(a)).slice(0, 16) === message.a) return [a];
    }
    return list;
  }
  async function find(a, cid) {
    try {
      const { challenges } = await questions(a);
      const c = challenges.find((x) => x.cid === cid);
      if (!c) return { a, heard: true, n: challenges.length };
      const ask = { cid: c.cid, text: c.doc };
      try {
        return { a, heard: true, n: challenges.length, ask, doc: readDoc(a, c.cid, c.doc) };
      } catch {
        return { a, ask, n: challenges.length };
      }
    } catch (fault) {
      if (fault.code !== "unlinked") return { a };
      await change(a, { state: "unlinked", key: null, codes: null });
      return { a, heard: true, unlinked: !moved(a, await kept()) };
    }
  }
  worker.addEventListener("notificationclick", (event) => {
    event.notification.close();
    const { cid, id, text } = event.notification.data ?? {};
    event.waitUntil(event.action === "deny" && id && cid && text ? deny(id, { cid, text }) : show(cid));
  });
  async function deny(id, ask) {
    try {
      const a = await keptOne(id);
      if (!a) throw new Fault("keys");
      await answer(a, ask, { decision: "deny" });
      await self.navigator.clearAppBadge?.()?.catch(() => {
      });
    } catch (fault) {
      if (["already_answered", "expired", "withdrawn", "no_challenge"].includes(fault.code)) return;
      await registration.showNotification(t("push.generic"), { body: t("push.not.denied"), tag: ask.cid, icon: file("icon-192.png"), data: { cid: ask.cid } });
    }
  }
  async function show(cid) {
    for (const c of await clients.matchAll({ type: "window", includeUncontrolled: true })) {
      if (!new URL(c.url).pathname.startsWith(app)) continue;
      c.postMessage(
        /** @satisfies {ToPage} */
        "look"
      );
      return c.focus();
    }
    return clients.openWindow(app + (cid ? "#c=" + encodeURIComponent(cid) : ""));
  }
  worker.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(resubscribe()));
  async function resubscribe() {
    for (const a of await ours()) {
      const sub = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: vapidBytes(a.vapid) });
      const address = addressOf(sub);
      await setPush(a, address);
      await change(a, { push: JSON.stringify(address) });
    }
  }
})();

// Keeps a page up to date. Everything on it works without this, too.
//
// The exporter streams what changes; on each change the page's own address is asked for again, and the elements marked
// `data-live` take over what differs, node by node: focus, selection, scroll position and opened details stay. One of them
// says with `data-generated-at` of when the page is; a page without it does not change.
"use strict";
(() => {
  const root = document.currentScript.dataset.root;
  const live = document.getElementById("live");
  const news = document.getElementById("news");
  const form = document.getElementById("filter");
  // A page that was opened with a login in its address may ask for nothing with it: the browser sends it by itself.
  const at = (path) => new URL(path, location.origin + location.pathname).href;
  const PAUSE = 2000; // between two fetches, in milliseconds
  const PAUSE_HIDDEN = 5000; // the same while nobody looks
  const RETRY = 5000; // until a stream that was refused is asked for again, and between two fetches without one
  const QUIET = 60000; // without an event, until the page is asked for all the same
  const TYPING = 250; // until what is typed is asked for

  // -- taking over --------------------------------------------------------------------------------------------------

  // Makes `old` like `fresh`. Elements with an id are known by it wherever they have gone; what was opened stays open.
  function patch(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    // What the script has written there is not the exporter's.
    if ("kept" in old.dataset && old.childNodes.length) return;
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(name === "open" && old.id)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (name === "open" && old.id) continue;
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const known = new Map();
    for (const child of old.children) if (child.id) known.set(child.id, child);
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      let same = next.id ? known.get(next.id) : null;
      if (!next.id && at && !at.id && at.nodeName === next.nodeName) same = at;
      if (same && same.nodeName !== next.nodeName) same = null;
      if (!same) {
        old.insertBefore(document.adoptNode(next), at);
        continue;
      }
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      patch(same, next);
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  // The element at the top of the window, and how far from it it is: what is read must not jump away.
  function anchor() {
    const seen = [...document.querySelectorAll("[data-live] [id]")].find((it) => it.getBoundingClientRect().bottom > 0);
    return seen && window.scrollY > 0 ? { id: seen.id, top: seen.getBoundingClientRect().top } : null;
  }

  function take(fresh) {
    const focused = document.activeElement;
    const held = anchor();
    for (const old of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(old.id);
      if (next) patch(old, next);
    }
    fold();
    title = fresh.title;
    icon = fresh.getElementById("icon")?.getAttribute("href") ?? icon;
    mark();
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    const now = held && document.getElementById(held.id);
    if (now) window.scrollBy(0, now.getBoundingClientRect().top - held.top);
  }

  // -- asking again -------------------------------------------------------------------------------------------------

  let stale = false; // something changed since the page was asked for
  let asking = null; // the request under way
  let askedAt = performance.now();

  function isMarked() {
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed) return false;
    return [...document.querySelectorAll("[data-live]")].some((it) => selection.containsNode(it, true));
  }

  function refresh() {
    stale = true;
    attempt();
  }

  // Not more often than every two seconds, and not while somebody marks text to copy it.
  function attempt() {
    const pause = document.hidden ? PAUSE_HIDDEN : PAUSE;
    if (stale && !asking && performance.now() - askedAt >= pause && !isMarked()) ask();
  }

  async function ask() {
    asking?.abort();
    const request = (asking = new AbortController());
    askedAt = performance.now();
    stale = false;
    try {
      const response = await fetch(at(location.pathname + location.search), { signal: request.signal, headers: { accept: "text/html" } });
      const isPage = (response.headers.get("content-type") || "").startsWith("text/html");
      if (!isPage) throw new Error(`status ${response.status}`);
      const text = await response.text();
      if (asking !== request) return false;
      const fresh = new DOMParser().parseFromString(text, "text/html");
      // A proxy's own page, say that the exporter does not answer.
      if (!fresh.getElementById("news")) throw new Error(`status ${response.status}`);
      heard();
      // What the page was about is gone, say a row after a reload of the configuration: the exporter's answer says so.
      const own = dated();
      if (own && !fresh.getElementById(own.id)) return location.reload();
      take(fresh);
      say();
      return true;
    } catch (error) {
      if (error.name === "AbortError") return false;
      stale = true;
      look();
      return false;
    } finally {
      if (asking === request) asking = null;
    }
  }

  // -- whether the exporter answers ---------------------------------------------------------------------------------

  const SILENCE = 2000; // without a sign of the exporter, until it is asked for one
  const PATIENCE = 2500; // for that answer
  const banner = document.getElementById("lost");
  const link = document.getElementById("icon");
  let title = document.title;
  let icon = link.getAttribute("href");
  let heardAt = performance.now(); // the latest sign
  let tickedAt = heardAt;
  let isLost = false;
  let isLooking = false;

  function heard() {
    heardAt = performance.now();
    if (!isLost) return;
    isLost = false;
    document.documentElement.classList.remove("lost");
    banner.hidden = true;
    mark();
    // What changed while nobody answered.
    stale = true;
    askedAt = -PAUSE_HIDDEN;
    attempt();
  }

  // Asks for the least that the exporter can say.
  async function look() {
    if (isLooking) return;
    isLooking = true;
    try {
      const options = { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
      const response = await fetch(at(`${root}/-/healthy`), options);
      const text = await response.text();
      if (response.ok && text.startsWith("healthy")) heard();
      // A proxy says that nobody is behind it. Whatever else it says, the page itself may still be had.
      else if ([502, 503, 504].includes(response.status)) lose();
      else if (!isLost) refresh();
    } catch {
      lose();
    } finally {
      isLooking = false;
    }
  }

  function lose() {
    if (!isLost) {
      isLost = true;
      const seen = document.querySelector("#as-of time")?.getAttribute("datetime") ?? "";
      const day = seen.slice(0, 10) === new Date().toISOString().slice(0, 10) ? "" : `${seen.slice(0, 10)} `;
      banner.querySelector("#lost-seen").textContent = `${day}${seen.slice(11, 19)} UTC`;
      document.documentElement.classList.add("lost");
      banner.hidden = false;
      say();
    }
    mark();
  }

  // The tab says what the page says, also while it is hidden.
  function mark() {
    const silent = Math.round((performance.now() - heardAt) / 1000);
    if (isLost) banner.querySelector("#lost-for").textContent = `for ${silent} s`;
    document.title = isLost ? `No answer – ${title}` : title;
    const wanted = isLost ? link.dataset.lost : icon;
    if (link.getAttribute("href") !== wanted) link.setAttribute("href", wanted);
  }

  function tick() {
    const now = performance.now();
    // This host slept: the exporter has had no chance to be heard.
    if (now - tickedAt > 10000) heardAt = Math.max(heardAt, now - SILENCE - 1);
    tickedAt = now;
    if (!dated()) return;
    if (now - heardAt > SILENCE) look();
    if (now - heardAt > SILENCE + PATIENCE) lose();
    if (isLost) return mark();
    if (now - askedAt > (isConnected ? QUIET : RETRY)) stale = true;
    attempt();
  }

  // A browser lets the timers of a hidden page run once a minute, but not those of a worker.
  function beat() {
    try {
      const worker = new Worker(at(document.getElementById("script").dataset.beat));
      worker.addEventListener("message", tick);
      worker.addEventListener("error", () => setInterval(tick, 1000), { once: true });
    } catch {
      setInterval(tick, 1000);
    }
  }

  // Who comes back to a page wants to see it as it is now.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !dated()) return;
    askedAt = Math.min(askedAt, performance.now() - PAUSE);
    if (missed) refresh();
    missed = false;
  });
  document.addEventListener("selectionchange", () => stale && attempt());

  // -- the stream ---------------------------------------------------------------------------------------------------

  let isConnected = false;
  let missed = false; // something came while the page was hidden, and nothing was asked for
  let counts = ""; // as the stream told them last

  // Says whether the page is brought up to date, and how.
  function say() {
    const time = () => new Date().toTimeString().slice(0, 8);
    live.hidden = false;
    live.classList.toggle("lost", isLost);
    const isSaid = live.textContent.startsWith("Not live since");
    const text = isLost
      ? isSaid ? live.textContent : `Not live since ${time()}, retrying`
      : isConnected ? "Live" : `Live, asked every ${RETRY / 1000} s`;
    if (live.textContent !== text) live.textContent = text;
  }

  // What the stream filters by; how the page shows it is not its business.
  const FILTERS = ["pool", "setting", "server", "state", "side", "cause", "warning", "q"];
  let stream = null;
  const dated = () => document.querySelector("[data-live][data-generated-at]");

  // Only changes of the rows that the page is about are told; each sign of the report's head counts all rows.
  function listen() {
    stream?.close();
    const wanted = new URLSearchParams(location.search);
    for (const key of [...wanted.keys()]) if (!FILTERS.includes(key)) wanted.delete(key);
    stream = new EventSource(at(`${root}/api/v1/stream?${wanted}`));
    const own = stream;
    stream.addEventListener("open", () => {
      isConnected = true;
      heard();
      say();
      // What changed while nobody listened.
      if (stale) refresh();
    });
    // Also when it has the page's own time: that has whole seconds, in each of which more than one thing can change.
    stream.addEventListener("report", (event) => {
      heard();
      const now = JSON.stringify(JSON.parse(event.data).summary);
      // Nobody sees more of a hidden page than its title and icon, which count states.
      if (document.hidden && now === counts) missed = true;
      else refresh();
      counts = now;
    });
    stream.addEventListener("transition", (event) => {
      heard();
      tell(JSON.parse(event.data));
      refresh();
    });
    stream.addEventListener("error", () => {
      isConnected = false;
      stale = true;
      look();
      // A browser tries again by itself, but not after an answer that is no stream.
      if (own.readyState === EventSource.CLOSED) setTimeout(() => own === stream && listen(), RETRY);
    });
  }

  // A page that is left keeps no connection; one that is come back to begins anew.
  window.addEventListener("pagehide", () => stream?.close());
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted || !dated()) return;
    heardAt = performance.now();
    listen();
    refresh();
  });

  // -- changes of state, said aloud ---------------------------------------------------------------------------------

  let changes = [];
  let telling = 0;

  // A few at a time, and no more often than somebody can listen to.
  function tell(change) {
    changes.push(change);
    telling ||= setTimeout(() => {
      telling = 0;
      const words = (it) => `${it.server} port ${it.port} in pool ${it.pool} is ${it.to}${it.cause ? `: ${it.cause.title}` : ""}`;
      const count = (state) => changes.filter((it) => it.to === state).length;
      const counted = ["Unhealthy", "Unknown", "Healthy"].filter(count).map((state) => `${count(state)} to ${state}`);
      news.textContent =
        changes.length <= 2 ? changes.map(words).join(". ") : `${changes.length} changes of state: ${counted.join(", ")}`;
      changes = [];
    }, 1500);
  }

  // -- the filter ---------------------------------------------------------------------------------------------------

  let typing = 0;

  async function filter() {
    const wanted = new URLSearchParams();
    for (const [key, value] of new FormData(form)) if (value.trim()) wanted.append(key, value.trim());
    const query = wanted.toString();
    const target = query ? `?${query}` : location.pathname;
    if (new URL(target, location.href).href === location.href) return;
    history.replaceState(null, "", target);
    listen();
    if (await ask()) news.textContent = document.querySelector("h1").textContent;
  }

  if (form) {
    form.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(filter, TYPING);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(typing);
      filter();
    });
  }
  // -- a narrow window ----------------------------------------------------------------------------------------------

  // Everything but the first faults is folded there, once: what somebody opens stays open.
  const narrow = matchMedia("(max-width: 40rem)");
  const folded = new Set();
  function fold() {
    [...document.querySelectorAll("details.fold")].forEach((it, place) => {
      if (!narrow.matches) it.open = true;
      else if (place >= 2 && !folded.has(it.id)) it.open = false;
      if (narrow.matches) folded.add(it.id);
    });
    if (!narrow.matches) folded.clear();
  }
  narrow.addEventListener("change", fold);
  fold();

  // -- what a picture says of the time under the pointer, or with the focus ------------------------------------------

  function point(event) {
    const band = event.target.closest?.("[data-says]");
    const said = band && document.getElementById(band.closest("svg").dataset.said);
    if (said) said.textContent = band.dataset.says;
  }
  document.addEventListener("pointerover", point);
  document.addEventListener("focusin", point);

  // One stop for the Tab key; the arrows go on from there.
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const band = step && event.target.closest?.("[data-says]");
    if (!band) return;
    const all = [...band.closest("svg").querySelectorAll("[data-says]")];
    const next = all[all.indexOf(band) + step];
    if (!next) return;
    event.preventDefault();
    band.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });

  // -- addresses and commands to be copied --------------------------------------------------------------------------

  document.documentElement.classList.add("scripted");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-copies]");
    if (!button) return;
    const what = document.getElementById(button.dataset.copies);
    const text = what.dataset.text ?? what.innerText;
    try {
      await navigator.clipboard.writeText(text.trim());
      button.textContent = "Copied";
    } catch {
      // Without https a page may not write there: it marks the text, for the keys.
      document.getSelection().selectAllChildren(what);
      button.textContent = "Marked: press Ctrl+C";
    }
  });

  if (dated()) {
    listen();
    beat();
  }
})();

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
  const PAUSE = 2000; // between two fetches, in milliseconds
  const RETRY = 5000; // until a stream that was refused is asked for again
  const QUIET = 60000; // without an event, until the page is asked for all the same
  const TYPING = 250; // until what is typed is asked for

  // -- taking over --------------------------------------------------------------------------------------------------

  // Makes `old` like `fresh`. Elements with an id are known by it wherever they have gone; what was opened stays open.
  function patch(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
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
    document.title = fresh.title;
    const icon = fresh.getElementById("icon");
    if (icon) document.getElementById("icon").setAttribute("href", icon.getAttribute("href"));
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    const now = held && document.getElementById(held.id);
    if (now) window.scrollBy(0, now.getBoundingClientRect().top - held.top);
  }

  // -- asking again -------------------------------------------------------------------------------------------------

  let stale = false; // something changed since the page was asked for
  let asking = null; // the request under way
  let askedAt = performance.now();
  let timer = 0;

  function isBusy() {
    const selection = document.getSelection();
    const isMarked = (it) => selection && !selection.isCollapsed && selection.containsNode(it, true);
    return document.hidden || [...document.querySelectorAll("[data-live]")].some(isMarked);
  }

  // Soon, but not more often than every two seconds, and not while somebody marks text to copy it.
  function refresh() {
    stale = true;
    if (timer || asking) return;
    timer = setTimeout(() => {
      timer = 0;
      if (isBusy()) return;
      ask();
    }, Math.max(0, askedAt + PAUSE - performance.now()));
  }

  async function ask() {
    asking?.abort();
    const request = (asking = new AbortController());
    askedAt = performance.now();
    stale = false;
    try {
      const response = await fetch(location.href, { signal: request.signal, headers: { accept: "text/html" } });
      const isPage = (response.headers.get("content-type") || "").startsWith("text/html");
      if (!isPage) throw new Error(`status ${response.status}`);
      const text = await response.text();
      if (asking !== request) return false;
      const fresh = new DOMParser().parseFromString(text, "text/html");
      // A proxy's own page, say that the exporter does not answer.
      if (!fresh.getElementById("news")) throw new Error(`status ${response.status}`);
      // What the page was about is gone, say a row after a reload of the configuration: the exporter's answer says so.
      const own = dated();
      if (own && !fresh.getElementById(own.id)) return location.reload();
      take(fresh);
      if (isConnected) say(null);
      return true;
    } catch (error) {
      if (error.name === "AbortError") return false;
      stale = true;
      say(new Date());
      return false;
    } finally {
      if (asking === request) {
        asking = null;
        if (stale) refresh();
      }
    }
  }

  document.addEventListener("visibilitychange", () => stale && refresh());
  document.addEventListener("selectionchange", () => stale && !isBusy() && refresh());

  // -- the stream ---------------------------------------------------------------------------------------------------

  let isConnected = false;
  let lostAt = null;

  // Says whether the page is brought up to date; `lost` is since when it is not.
  function say(lost) {
    if (lost && lostAt) return;
    lostAt = lost;
    const text = lost ? `Not live since ${lost.toTimeString().slice(0, 8)}, retrying` : "Live";
    live.hidden = false;
    live.classList.toggle("lost", Boolean(lost));
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
    stream = new EventSource(`${root}/api/v1/stream?${wanted}`);
    const own = stream;
    stream.addEventListener("open", () => {
      isConnected = true;
      say(null);
      // What changed while nobody listened.
      if (stale) refresh();
    });
    // Also when it has the page's own time: that has whole seconds, in each of which more than one thing can change.
    stream.addEventListener("report", refresh);
    stream.addEventListener("transition", (event) => {
      tell(JSON.parse(event.data));
      refresh();
    });
    stream.addEventListener("error", () => {
      isConnected = false;
      stale = true;
      say(new Date());
      // A browser tries again by itself, but not after an answer that is no stream.
      if (own.readyState === EventSource.CLOSED) setTimeout(() => own === stream && listen(), RETRY);
    });
  }

  // A page that is left keeps no connection; one that is come back to begins anew.
  window.addEventListener("pagehide", () => stream?.close());
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted || !dated()) return;
    listen();
    refresh();
  });

  // A connection that is cut somewhere on the way says nothing; a request finds out.
  setInterval(() => dated() && performance.now() - askedAt > QUIET && refresh(), QUIET);

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
  if (dated()) listen();
})();

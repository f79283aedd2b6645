// Runs a connection troubleshoot in place: tells each part as it begins, and shows the result where the form is. Without
// this the form leads to a page with the same result.
(() => {
  const form = document.getElementById("check-form");
  if (!form || !window.ReadableStream) return;
  const at = (name) => document.getElementById(`check-${name}`);
  const [run, cancel, time, parts, said, result] = ["run", "cancel", "time", "parts", "said", "result"].map(at);
  let asking = null; // the check under way
  let begun = 0;
  let ticking = 0;

  const spent = (since) => {
    const milliseconds = performance.now() - since;
    return milliseconds < 950 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
  };

  function show(isUnderWay) {
    const hadFocus = [run, cancel, document.body].includes(document.activeElement);
    run.hidden = isUnderWay;
    cancel.hidden = !isUnderWay;
    // Whoever pressed one button stands on the other one, not nowhere.
    if (hadFocus) (isUnderWay ? cancel : run).focus({ preventScroll: true });
    return hadFocus;
  }

  // -- the parts ----------------------------------------------------------------------------------------------------

  const items = [...parts.children];
  let current = null; // the part under way, and since when

  function mark(item, state, how) {
    item.dataset.is = state;
    item.querySelector(".check-how").textContent = how;
    if (state === "now") item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }

  function end(how) {
    if (current) {
      // Less is how long the events took, not the part.
      const isLong = performance.now() - current.since >= 100;
      mark(current.item, how === "done" ? "done" : "left", isLong ? `${how}, ${spent(current.since)}` : how);
    }
    current = null;
  }

  function begin({ stage, doing, number, of }) {
    end("done");
    for (const item of items) {
      if (item.dataset.part === stage) break;
      if (item.dataset.is === "waiting") mark(item, "left", "left out");
    }
    const item = items.find((it) => it.dataset.part === stage);
    if (item) {
      mark(item, "now", "under way");
      current = { item, since: performance.now() };
    }
    said.textContent = `Part ${number} of ${of}: ${doing}`;
  }

  // -- the stream ---------------------------------------------------------------------------------------------------

  // The events of an answer, as [kind, data].
  async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const lines = text.slice(0, end).split("\n");
        text = text.slice(end + 2);
        const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
        yield [field("event"), field("data")];
      }
    }
  }

  async function check(signal) {
    const headers = { accept: "text/event-stream" };
    const response = await fetch(new URL(form.getAttribute("action"), location.origin + location.pathname), { method: "POST", headers, signal });
    const kind = response.headers.get("content-type") || "";
    if (!kind.startsWith("text/event-stream")) {
      const why = kind.startsWith("text/plain") ? (await response.text()).trim() : "";
      throw new Error(why || `The exporter answers with status ${response.status}.`);
    }
    for await (const [kind, data] of events(response)) {
      if (kind === "stage") begin(JSON.parse(data));
      if (kind === "result") return JSON.parse(data);
    }
    throw new Error("The check ended without a result: the exporter ends, or its host does not let it run.");
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asking) return;
    const request = (asking = new AbortController());
    begun = performance.now();
    result.replaceChildren();
    said.classList.remove("failed");
    said.textContent = "The check has begun";
    items.forEach((item) => mark(item, "waiting", ""));
    parts.hidden = time.hidden = false;
    ticking = setInterval(() => (time.textContent = spent(begun)), 100);
    show(true);
    let how = "cut short";
    try {
      const html = await check(request.signal);
      how = "done";
      // Written and escaped by the exporter; scripts in it would not run.
      const fresh = new DOMParser().parseFromString(html, "text/html");
      result.replaceChildren(...fresh.body.childNodes);
    } catch (error) {
      const isCancelled = error.name === "AbortError";
      said.classList.toggle("failed", !isCancelled);
      const isLost = error instanceof TypeError;
      said.textContent = isCancelled
        ? `Cancelled after ${spent(begun)}`
        : isLost ? "The exporter does not answer, or the connection to it broke." : error.message;
    } finally {
      clearInterval(ticking);
      const whole = (time.textContent = spent(begun));
      end(how);
      for (const item of items) if (item.dataset.is === "waiting") mark(item, "left", how === "done" ? "left out" : "");
      asking = null;
      const hadFocus = show(false);
      const verdict = at("verdict");
      if (how === "done" && verdict) {
        said.textContent = `Done after ${whole}. ${verdict.textContent.trim()}`;
        // Who went elsewhere in the meantime is left there.
        if (hadFocus) verdict.focus();
      }
    }
  });

  cancel.addEventListener("click", () => asking?.abort());
})();

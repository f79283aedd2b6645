// Beats once a second for a page, also while it is hidden.
setInterval(() => postMessage(0), 1000);

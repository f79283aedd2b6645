// Keeps a page up to date. Everything works without it, too.
"use strict";

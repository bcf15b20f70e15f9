import { fileURLToPath } from "node:url";

import { defineConfig } from "vite";

// The server that answers /api while the page is developed with `npm run dev`.
const apiServer = process.env["WATTSCOPE_API"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir:
      process.env["WATTSCOPE_UI_OUT"] ??
      fileURLToPath(new URL("../src/wattscope/web/static", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    sourcemap: false,
    // An inlined data: address would have to be allowed in the content security policy.
    assetsInlineLimit: 0,
  },
  server: { proxy: { "/api": apiServer } },
});

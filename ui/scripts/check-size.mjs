// Fails the build when the script of the first view grows past its limit.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 100_000;
const here = dirname(fileURLToPath(import.meta.url));
const outDir = process.env.WATTSCOPE_UI_OUT ?? join(here, "../../src/wattscope/web/static");

const page = readFileSync(join(outDir, "index.html"), "utf8");
// Scripts and preloads named by the page are the first view; lazy chunks are not named there.
const scripts = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((m) => m[1]);
if (scripts.length === 0) {
  console.error("index.html names no script: the build is broken.");
  process.exit(1);
}
const bytes = scripts.reduce(
  (sum, name) => sum + gzipSync(readFileSync(join(outDir, name))).length,
  0,
);
console.log(
  `script of the first view: ${(bytes / 1000).toFixed(1)} kB gzip (limit ${LIMIT_BYTES / 1000} kB)`,
);
if (bytes > LIMIT_BYTES) {
  console.error("Over the limit: load what the first view does not need with import().");
  process.exit(1);
}

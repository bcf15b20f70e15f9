// Puts Swagger UI beside the page, so that /docs works without any other host.
import { copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const outDir = process.env.WATTSCOPE_UI_OUT ?? join(here, "../../src/wattscope/web/static");
const from = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
const to = join(outDir, "docs");

mkdirSync(to, { recursive: true });
for (const name of ["swagger-ui.css", "swagger-ui-bundle.js"]) {
  copyFileSync(join(from, name), join(to, name));
}

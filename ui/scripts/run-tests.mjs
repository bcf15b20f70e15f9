// Bundles tests/*.test.ts with Vite and hands them to Node's own test runner.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "vite";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const tests = readdirSync(join(root, "tests")).filter((name) => name.endsWith(".test.ts"));
const outDir = mkdtempSync(join(tmpdir(), "wattscope-ui-tests-"));
try {
  await build({
    root,
    configFile: false,
    logLevel: "error",
    build: {
      ssr: true,
      outDir,
      emptyOutDir: true,
      rollupOptions: {
        input: Object.fromEntries(
          tests.map((name) => [basename(name, ".ts"), join(root, "tests", name)]),
        ),
        output: { entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" },
      },
    },
  });
  const files = tests.map((name) => join(outDir, `${basename(name, ".ts")}.mjs`));
  process.exitCode =
    spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(outDir, { recursive: true, force: true });
}

// Bundles term.js with xterm.js and its addons: `node js/bundle.mjs OUTFILE`.
//
// From their TypeScript sources rather than their ready-made bundles: each of those carries its own copy of the shared
// code, and closed bundles keep names and parts that nobody uses. Saves 15 % of what a browser downloads.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(here, "../node_modules/@xterm");
const ENTRIES = {
  "@xterm/xterm": "xterm/src/browser/public/Terminal.ts",
  "@xterm/addon-search": "addon-search/src/SearchAddon.ts",
  "@xterm/addon-web-links": "addon-web-links/src/WebLinksAddon.ts",
  "@xterm/addon-webgl": "addon-webgl/src/WebglAddon.ts",
};
// What stands in for modules that the page has no use for.
const INSTEAD = {
  // Unicode 11 from the first byte on, as the sharer's terminal model counts widths.
  "common/input/UnicodeV6": `export { UnicodeV11 as UnicodeV6 } from "${path.join(modules, "addon-unicode11/src/UnicodeV11.ts")}";`,
  // Its only user is a cache of observers that is never asked for.
  "vs/base/common/hash": "export const hash = () => 0;",
  // A second scrollbar with marks; the page never gives it a width.
  "browser/decorations/OverviewRulerRenderer": "export class OverviewRulerRenderer {}",
};

const sources = {
  name: "xterm-sources",
  setup(bundle) {
    // Their own spelling of paths inside xterm.js; none of those files is imported for its side effects.
    bundle.onResolve({ filter: /^(browser|common|vs)\// }, async (asked) => {
      if (INSTEAD[asked.path]) return { path: asked.path, namespace: "instead" };
      const found = await bundle.resolve(`./${asked.path}`, { resolveDir: path.join(modules, "xterm/src"), kind: asked.kind });
      return { ...found, sideEffects: false };
    });
    bundle.onResolve({ filter: /^@xterm\// }, (asked) => ENTRIES[asked.path] && { path: path.join(modules, ENTRIES[asked.path]) });
    bundle.onLoad({ filter: /./, namespace: "instead" }, (asked) => ({ contents: INSTEAD[asked.path], resolveDir: modules, loader: "ts" }));
  },
};

const bundled = await build({
  absWorkingDir: here,
  entryPoints: ["term.js"],
  bundle: true,
  write: false,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  plugins: [sources],
  tsconfigRaw: { compilerOptions: { experimentalDecorators: true, useDefineForClassFields: false } },
  // Names with an underscore are private to what is bundled here; the tests read the two that are not.
  mangleProps: /^_[a-z]/i,
  reserveProps: /^(__term|_core)$/,
});
const small = await minify(bundled.outputFiles[0].text, {
  module: true,
  compress: { passes: 2, ecma: 2020 },
  format: { comments: false, preamble: "// xterm.js and its addons: (c) The xterm.js authors, Microsoft and others, MIT licence." },
});
await writeFile(process.argv[2], small.code);

// The pages of the embedded Grafana: built into the Python package that serves them.
import { copyFileSync, cpSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const server = process.env.GRAFANA_URL ?? "http://127.0.0.1:3000";
const out = resolve(import.meta.dirname, "../src/pytake/embedded/grafana/static");
const modules = resolve(import.meta.dirname, "node_modules");
const stub = (name: string) => resolve(import.meta.dirname, "src/grafana/stubs", name);

/** Names of the font files that @grafana/ui's global styles ask for, and what fontsource calls them. */
const FONTS: Record<string, string> = {
  "inter/Inter-Regular.woff2": "inter/files/inter-latin-400-normal.woff2",
  "inter/Inter-Medium.woff2": "inter/files/inter-latin-500-normal.woff2",
  "roboto/L0xTDF4xlVMF-BfR8bXMIhJHg45mwgGEFl0_3vrtSM1J-gEPT5Ese6hmHSh0mQ.woff2": "roboto-mono/files/roboto-mono-latin-400-normal.woff2",
};

/** Copies icons and fonts, which the libraries fetch at run time. */
function assets(): Plugin {
  return {
    name: "pytake-assets",
    apply: "build",
    closeBundle() {
      cpSync(resolve(modules, "@grafana/ui/dist/public/img"), resolve(out, "img"), { recursive: true });
      for (const [to, from] of Object.entries(FONTS)) {
        const target = resolve(out, "public/fonts", to);
        mkdirSync(dirname(target), { recursive: true });
        copyFileSync(resolve(modules, "@fontsource", from), target);
      }
    },
  };
}

export default defineConfig(({ command }) => ({
  root: "src/grafana",
  base: command === "build" ? "/public/build/" : "/",
  plugins: [react(), assets()],
  define: { "process.env.NODE_ENV": JSON.stringify("production"), "process.env": "{}" },
  resolve: {
    dedupe: ["react", "react-dom", "react-router-dom", "@grafana/data", "@grafana/ui", "@grafana/runtime", "rxjs"],
    alias: [
      { find: "react-router-dom-v5-compat", replacement: "react-router-dom" },
      { find: /^monaco-editor.*/, replacement: stub("nothing.ts") },
      { find: /^@monaco-editor\/react$/, replacement: stub("nothing.ts") },
      { find: /^@grafana\/faro.*/, replacement: stub("nothing.ts") },
      { find: "react-dom/server", replacement: stub("nothing.ts") },
      { find: /^moment-timezone$/, replacement: "moment-timezone/builds/moment-timezone-with-data-10-year-range.js" },
    ],
  },
  build: { outDir: out, emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 4000 },
  // the server compares Origin with Host: both stay those of this page
  server: { proxy: { ...Object.fromEntries(["/api", "/logout", "/render", "/public"].map((path) => [path, { target: server }])), "/login": { target: server, bypass: (request) => (request.method === "GET" ? "/index.html" : undefined) } } },
}));

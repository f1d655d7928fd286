// The pages of the embedded Jaeger: built into the Python package that serves them.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.JAEGER_URL ?? "http://127.0.0.1:16686";

export default defineConfig({
  root: "src/jaeger",
  base: "/static/",
  plugins: [react()],
  build: { outDir: "../../../src/pytake/embedded/jaeger/static", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0 },
  server: { proxy: { "/api": server, "/ui-config.json": server } },
});

import { createRoot } from "react-dom/client";
import { App } from "./App";
import { boot } from "./runtime/boot";
import { sources } from "./runtime/sources";

await boot();
// 401 leads to the login page; any other failure is shown by the panels that need the data sources
if (location.pathname !== "/login") await sources.reload().catch(() => undefined);
createRoot(document.getElementById("root")!).render(<App />);

import { createRoot } from "react-dom/client";
import { App } from "./App";
import { boot } from "./runtime/boot";
import { loadPreferences } from "./runtime/preferences";
import { sources } from "./runtime/sources";

// 401 leads to the login page; any other failure is shown by the panels that need the data sources
const known = location.pathname === "/login" ? [] : [sources.reload().catch(() => undefined), loadPreferences()];
await Promise.all([boot(), ...known]);
createRoot(document.getElementById("root")!).render(<App />);

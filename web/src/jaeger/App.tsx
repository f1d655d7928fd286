/** The frame of all pages: navigation, jump to a trace by id, theme. */

import { useEffect, useState, type FormEvent } from "react";
import { Navigate, NavLink, Route, Routes, useNavigate, useParams } from "react-router-dom";

import { ComparePage } from "./pages/Compare";
import { DependenciesPage } from "./pages/Dependencies";
import { SearchPage } from "./pages/Search";
import { TracePage } from "./pages/Trace";

type Theme = "dark" | "light";

function startTheme(): Theme {
  const asked = new URLSearchParams(location.search).get("theme") ?? localStorage.getItem("theme");
  if (asked === "dark" || asked === "light") return asked;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

export function App() {
  const [theme, setTheme] = useState<Theme>(startTheme);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  }, [theme]);
  return (
    <>
      <header className="top">
        <NavLink to="/search" className="brand">
          <svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true">
            <rect x="1" y="3" width="16" height="3" rx="1" fill="#6e9fff" />
            <rect x="4" y="8" width="10" height="3" rx="1" fill="#f58220" />
            <rect x="7" y="13" width="5" height="3" rx="1" fill="#73bf69" />
          </svg>
          <span>PyTake traces</span>
        </NavLink>
        <nav>
          <NavLink to="/search">Search</NavLink>
          <NavLink to="/compare">Compare</NavLink>
          <NavLink to="/dependencies">Services</NavLink>
        </nav>
        <span className="space" />
        <JumpToTrace />
        <button className="plain" onClick={() => setTheme(theme === "dark" ? "light" : "dark")} aria-label={`Use the ${theme === "dark" ? "light" : "dark"} theme`}>
          {theme === "dark" ? "☀" : "☾"}
        </button>
      </header>
      <main>
        <Routes>
          <Route path="/" element={<Navigate to="/search" replace />} />
          <Route path="/search" element={<SearchPage />} />
          <Route path="/trace/:id" element={<TraceRoute />} />
          <Route path="/compare" element={<ComparePage />} />
          <Route path="/dependencies" element={<DependenciesPage />} />
          <Route path="*" element={<p className="loading">There is no such page. <NavLink to="/search">Search for traces</NavLink></p>} />
        </Routes>
      </main>
    </>
  );
}

/** A trace; Jaeger's address of a comparison is `/trace/<a>...<b>`. */
function TraceRoute() {
  const { id = "" } = useParams();
  const [a, b] = id.split("...");
  return b === undefined ? <TracePage key={id} /> : <Navigate to={`/compare?a=${a}&b=${b}`} replace />;
}

function JumpToTrace() {
  const navigate = useNavigate();
  const [id, setId] = useState("");
  const go = (event: FormEvent) => {
    event.preventDefault();
    if (id.trim()) navigate(`/trace/${id.trim()}`);
    setId("");
  };
  return (
    <form onSubmit={go} role="search">
      <input value={id} onChange={(event) => setId(event.target.value)} placeholder="Trace id…" aria-label="Go to a trace by its id" className="mono" />
    </form>
  );
}

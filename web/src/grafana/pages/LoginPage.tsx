import { css } from "@emotion/css";
import { Alert, Button, Field, Input } from "@grafana/ui";
import { useState, type FormEvent } from "react";
import { send } from "../runtime/http";

const box = css({ maxWidth: 360, margin: "15vh auto 0", padding: 24 });

/** Only a path of this server is gone back to. */
function back(): string {
  const wanted = new URLSearchParams(location.search).get("redirectTo") ?? "/";
  return /^\/(?![/\\])/.test(wanted) ? wanted : "/";
}

function Change({ old, done }: { old: string; done: () => void }) {
  const [fresh, setFresh] = useState("");
  const [error, setError] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send("PUT", "/api/user/password", { oldPassword: old, newPassword: fresh, confirmNew: fresh }).then(done, (failure: Error) => setError(failure.message));
  };
  return (
    <form onSubmit={submit}>
      <p>This is the first password. Choose your own.</p>
      {error && <Alert title={error} />}
      <Field label="New password"><Input type="password" autoComplete="new-password" value={fresh} onChange={(event) => setFresh(event.currentTarget.value)} autoFocus /></Field>
      <Button type="submit" fullWidth>Change the password</Button>
    </form>
  );
}

export function LoginPage() {
  const [user, setUser] = useState(""), [password, setPassword] = useState(""), [error, setError] = useState(""), [change, setChange] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send<{ mustChangePassword?: boolean }>("POST", "/login", { user, password }).then(
      (answer) => { if (answer.mustChangePassword) setChange(true); else location.assign(back()); },
      (failure: Error) => setError(failure.message),
    );
  };
  return (
    <main className={box}>
      <h1>PyTake dashboards</h1>
      {change ? <Change old={password} done={() => location.assign(back())} /> : (
        <form onSubmit={submit}>
          {error && <Alert title={error} />}
          <Field label="User"><Input name="user" autoComplete="username" value={user} onChange={(event) => setUser(event.currentTarget.value)} autoFocus /></Field>
          <Field label="Password"><Input name="password" type="password" autoComplete="current-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} /></Field>
          <Button type="submit" fullWidth>Log in</Button>
        </form>
      )}
    </main>
  );
}

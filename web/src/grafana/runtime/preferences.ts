// What a person chose, kept by the server: time zone and theme.
import { get, send } from "./http";

interface Preferences { timezone?: string; theme?: string }
let held: Preferences = {};

export async function loadPreferences(): Promise<void> {
  held = await get<Preferences>("/api/user/preferences").catch(() => ({}));
}

export const timeZone = (): string => held.timezone || "browser";

/** A choice that the server does not keep holds for this page. */
export function prefer(changed: Preferences): void {
  held = { ...held, ...changed };
  send("PATCH", "/api/user/preferences", changed).catch(() => undefined);
}

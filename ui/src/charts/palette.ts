/** Colours by role for drawing on a canvas, read from the style sheet so that they exist once. */

export type Role =
  | "solar"
  | "solar-fill"
  | "grid-in"
  | "grid-out"
  | "battery"
  | "home"
  | "total"
  | "l1"
  | "l2"
  | "l3"
  | "standby"
  | "active"
  | "high"
  | "good"
  | "warn"
  | "alert"
  | "ink"
  | "muted"
  | "line"
  | "hatch"
  | "raised"
  | "card";

export function colourOf(role: Role): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${role}`).trim();
}

/** The same colour, thinner. */
export function fade(colour: string, alpha: number): string {
  const share = Math.round(Math.min(1, Math.max(0, alpha)) * 255);
  return `${colour}${share.toString(16).padStart(2, "0")}`;
}

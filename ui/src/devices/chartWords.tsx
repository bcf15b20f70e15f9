/** What the charts of a device have in common: colours, names, and the words around them. */

import type { Device, LatestValue } from "../api/types";
import type { Role } from "../charts/palette";
import { clockWithSeconds, dayOf, spanInWords } from "../format/time";
import { titleOf } from "../format/period";
import { zone } from "../state/catalogue";
import { period, shown, zoom } from "../state/view";

export function roleOf(name: string): Role {
  if (name.includes("production") || name.startsWith("dc_") || name.startsWith("irradiance"))
    return "solar";
  if (name.includes("export")) return "grid-out";
  if (name.includes("battery") || name.includes("state_of_charge")) return "battery";
  return name.includes("import") ? "grid-in" : "home";
}

/** The period, or the part of it that is shown. */
export function shownWords(): string {
  if (zoom.value === null) return titleOf(period.value);
  return spanInWords(shown.value.start, shown.value.end, zone.value);
}

export function momentWithSeconds(at: number): string {
  return `${dayOf(at, zone.value)}, ${clockWithSeconds(at, zone.value)}`;
}

/** Without an ending; a zoomed part has its first instant in the name. */
export function fileNameOf(device: Device, quantity: LatestValue): string {
  const { range, from } = period.value;
  const part =
    zoom.value === null ? from : new Date(zoom.value.start).toISOString().slice(0, 19) + "Z";
  return `wattscope-${device.id}-${quantity.name}-${range}-${part}`.replace(
    /[^A-Za-z0-9._-]+/g,
    "_",
  );
}

/** How to look closer, in the words of the pointer or the finger. */
export function ZoomHint() {
  const whole = `the whole ${period.value.range}`;
  return (
    <p class="chart-note">
      <span class="by-pointer">
        Drag, or the wheel with Ctrl, to look closer
        {zoom.value === null ? "" : `; a double click shows ${whole} again`}.
      </span>
      <span class="by-touch">
        Two fingers zoom
        {zoom.value === null ? "" : `; “Whole ${period.value.range}” shows all of it again`}.
      </span>
    </p>
  );
}

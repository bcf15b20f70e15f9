import { serverNow } from "../state/clock";
import type { Device } from "../api/types";

/** How often the page of a device asks for its values [s]. */
export const DEVICE_REFRESH_S = 5;

/** Age of a device's newest reading now [s], or null when it never reported. */
export function deviceAgeS(device: Device): number | null {
  if (device.last_measured_at === null) return null;
  return Math.max(0, (serverNow() - Date.parse(device.last_measured_at)) / 1000);
}

/** Kinds of devices that stand for those below them and measure nothing themselves. */
const GROUPS: ReadonlySet<string> = new Set(["plant", "string"]);

/** @param sinceAskedS how old the answer itself may be: a device is not silent because nobody asked [s] */
export function isSilent(device: Device, sinceAskedS: number): boolean {
  if (GROUPS.has(device.kind)) return false;
  const age = deviceAgeS(device);
  return age === null || device.is_stale || age > device.stale_after_s + sinceAskedS;
}

/** Which panels are shown, in which order, and which stand together. Pure. */

import type { FleetDevice, PanelState } from "../api/fleet";

export type Filter = "all" | "losing" | PanelState;

/** What needs a person first. */
export const STATES: readonly PanelState[] = ["fault", "low", "stale", "unknown", "ok", "night"];
const URGENCY = Object.fromEntries(STATES.map((state, i) => [state, i])) as Record<
  PanelState,
  number
>;
const NATURAL = new Intl.Collator(undefined, { numeric: true });

export function countStates(devices: readonly FleetDevice[]): Record<PanelState, number> {
  const count = { ok: 0, low: 0, fault: 0, stale: 0, night: 0, unknown: 0 };
  for (const one of devices) count[one.state] += 1;
  return count;
}

/**
 * What a device gives of what is expected, 0 to about 1. That of the last hours of light is steady
 * under clouds, but a device that has just failed must not look well in it.
 */
export function shareOf(one: FleetDevice): number | null {
  const { performance, power_w: power, expected_w: expected } = one;
  if (one.state !== "fault" || power === null || expected === null || expected <= 0)
    return performance;
  return Math.min(performance ?? 1, power / expected);
}

/** What all give now together; an old value is no part of now [W]. */
export function powerNow(devices: readonly FleetDevice[]): number | null {
  const known = devices.flatMap((one) => (one.state === "stale" ? [] : (one.power_w ?? [])));
  return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0);
}

export function isLosing(one: FleetDevice): boolean {
  return one.lost_kwh_per_day > 0;
}

export function countLosing(devices: readonly FleetDevice[]): number {
  return devices.reduce((count, one) => count + Number(isLosing(one)), 0);
}

export function isFilter(text: string | null): text is Filter {
  return text === "all" || text === "losing" || STATES.includes(text as PanelState);
}

export function matches(one: FleetDevice, filter: Filter, text: string): boolean {
  const isWanted = filter === "all" || (filter === "losing" ? isLosing(one) : one.state === filter);
  if (!isWanted || text === "") return isWanted;
  return `${one.name} ${one.id} ${one.parent ?? ""} ${one.cause ?? ""}`
    .toLowerCase()
    .includes(text);
}

/** By money lost, then energy, then what needs a person first, then name. */
export function rankByLoss(devices: readonly FleetDevice[]): FleetDevice[] {
  return [...devices].sort(
    (a, b) =>
      (b.lost_money_per_day ?? 0) - (a.lost_money_per_day ?? 0) ||
      b.lost_kwh_per_day - a.lost_kwh_per_day ||
      URGENCY[a.state] - URGENCY[b.state] ||
      NATURAL.compare(a.name, b.name),
  );
}

export interface Parent {
  name: string;
  parent: string | null;
}

export interface Group {
  /** Null where all stand in one. */
  label: string | null;
  devices: FleetDevice[];
}

/** More groups than this are put together by what stands above them. */
const MOST_GROUPS = 48;

/** Devices by the string or inverter above them, in the order of their names. */
export function groupsOf(
  devices: readonly FleetDevice[],
  parents: ReadonlyMap<string, Parent>,
): Group[] {
  const near = groupBy(devices, (one) => one.parent);
  const wide =
    near.size > MOST_GROUPS
      ? groupBy(devices, (one) => parents.get(one.parent ?? "")?.parent ?? one.parent)
      : near;
  const isTold = wide.size > 1;
  return [...wide]
    .map(([id, members]) => ({
      label: isTold ? (id === null ? "other" : (parents.get(id)?.name ?? id)) : null,
      devices: [...members].sort((a, b) => NATURAL.compare(a.name, b.name)),
    }))
    .sort((a, b) => NATURAL.compare(a.label ?? "", b.label ?? ""));
}

function groupBy(
  devices: readonly FleetDevice[],
  keyOf: (one: FleetDevice) => string | null,
): Map<string | null, FleetDevice[]> {
  const groups = new Map<string | null, FleetDevice[]>();
  for (const one of devices) {
    const key = keyOf(one);
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [one]);
    else members.push(one);
  }
  return groups;
}

/** What all names begin with, up to the end of a word: it says nothing on a map. */
export function sharedStart(names: readonly string[]): number {
  const first = names[0] ?? "";
  let length = first.length;
  for (const name of names) {
    while (length > 0 && !name.startsWith(first.slice(0, length))) length -= 1;
  }
  // The last separator within it; a name is never cut to nothing.
  const cut =
    Math.max(...[" ", "-", "_", "."].map((one) => first.slice(0, length).lastIndexOf(one))) + 1;
  return names.some((name) => name.length <= cut) ? 0 : cut;
}

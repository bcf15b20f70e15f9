/** Meters of a plant in the order and with the words of the page. Pure. */

import type { MeterState, Plant, PlantMeter, PlantSum } from "../api/types";
import { orderTree } from "../devices/tree";
import { formatCount, formatCounted, formatShare, formatValue } from "../format/number";
import { formatAge } from "../format/time";

export const STATE_WORDS: Record<MeterState, string> = {
  ok: "answers",
  faulty: "implausible",
  stale: "silent",
  offline: "offline",
  silent: "never heard",
};

/** What needs a person first. */
const URGENCY: Record<MeterState, number> = { faulty: 0, offline: 1, stale: 2, silent: 3, ok: 4 };

export interface MeterRow {
  meter: PlantMeter;
  depth: number;
}

/** Age of a meter's newest value at this moment [s]; the answer itself grows old too. */
export function meterAgeS(meter: PlantMeter, nowMs: number): number | null {
  if (meter.last_measured_at === null) return null;
  return Math.max(0, (nowMs - Date.parse(meter.last_measured_at)) / 1000);
}

/** The meters that do not simply answer, the most urgent first. */
export function troubled(meters: readonly PlantMeter[]): PlantMeter[] {
  return meters
    .filter((one) => one.state !== "ok")
    .sort((a, b) => URGENCY[a.state] - URGENCY[b.state]);
}

export function reasonOf(meter: PlantMeter, nowMs: number): string {
  const age = meterAgeS(meter, nowMs);
  const since = age === null ? "" : `, last value ${formatAge(age)} ago`;
  if (meter.state === "ok") return "";
  return `${meter.words}${meter.state === "faulty" ? "" : since}`;
}

export interface Answer {
  isGood: boolean;
  strong: string;
  rest: string;
}

const MOST_NAMED = 2;

/** Whether every meter is telling the truth, in one line. */
export function answerOf(plant: Plant, nowMs: number): Answer {
  const { meters, ok, faulty } = plant.summary;
  const answering = ok + faulty;
  const bad = troubled(plant.meters);
  const contradicted = plant.sums.filter(isContradicted);
  const strong =
    answering === meters
      ? `All ${formatCounted(meters, "meter")} answer`
      : `${formatCount(answering)} of ${formatCounted(meters, "meter")} answer`;
  const named = bad
    .slice(0, MOST_NAMED)
    .map((one) => `${one.name} is ${STATE_WORDS[one.state]}: ${reasonOf(one, nowMs)}.`);
  if (bad.length > MOST_NAMED) named.push(`${formatCount(bad.length - MOST_NAMED)} more need a look.`);
  for (const sum of contradicted) named.push(`${contradiction(sum, nameOf(plant, sum.device))}.`);
  const isGood = bad.length === 0 && contradicted.length === 0;
  if (isGood) named.push(`${sumsWords(plant)}`);
  return { isGood, strong: `${strong}${isGood ? " and their numbers fit." : "."}`, rest: named.join(" ") };
}

export function isContradicted(sum: PlantSum): boolean {
  return (sum.power_w?.is_contradiction ?? false) || (sum.energy_today_wh?.is_contradiction ?? false);
}

/** "The sub-meters of Main say 1.2 kW more than it does" */
export function contradiction(sum: PlantSum, name: string): string {
  const byPower = sum.power_w?.is_contradiction ? sum.power_w : null;
  const remainder = byPower ?? sum.energy_today_wh;
  const unit = byPower === null ? "Wh" : "W";
  const more = formatValue(-(remainder?.rest ?? 0), unit);
  return `The meters below ${name} say ${more} more than it does${unit === "Wh" ? " today" : ""}`;
}

function sumsWords(plant: Plant): string {
  const top = plant.sums.find((sum) => sum.power_w !== null && sum.power_w.whole > 0);
  if (top?.power_w == null) return "";
  const share = Math.min(1, top.power_w.parts / top.power_w.whole);
  return `Sub-meters see ${formatShare(share)} of what ${nameOf(plant, top.device)} measures.`;
}

export function nameOf(plant: Plant, device: string): string {
  return plant.meters.find((one) => one.device === device)?.name ?? device;
}

/** Meters as rows of a tree, a parent before its children. */
export function meterRows(meters: readonly PlantMeter[]): MeterRow[] {
  return orderTree(
    meters,
    (one) => one.device,
    (one) => one.parent,
  ).map(({ item, depth }) => ({ meter: item, depth }));
}

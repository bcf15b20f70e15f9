/** The words of the page Solar. Pure. */

import type { Fleet, FleetDevice, PanelState } from "../api/fleet";
import { formatMoney } from "../format/money";
import { formatCount, formatShare, formatValue } from "../format/number";
import { countLosing, countStates, isLosing, powerNow, rankByLoss } from "./order";

export const STATE_WORDS: Record<PanelState, string> = {
  fault: "fault",
  low: "below expected",
  stale: "silent",
  unknown: "never heard",
  ok: "as expected",
  night: "night",
};

/** From this share on a device gives what it should, as the server judges. */
const ENOUGH = 0.8;

/** The state of one device; with an incident that costs no power it is not below anything. */
export function stateOf(one: FleetDevice): string {
  const isEnough = (one.performance ?? 0) >= ENOUGH && !isLosing(one);
  return one.state === "low" && isEnough ? "needs a look" : STATE_WORDS[one.state];
}

/** "4.1 kWh and 1.23 € a day"; without a price the energy alone. */
export function lossWords(kwh: number, money: number | null, currency: string | null): string {
  const energy = formatValue(kwh * 1000, "Wh");
  return money === null || currency === null
    ? `${energy} a day`
    : `${energy} and ${formatMoney(money, currency)} a day`;
}

export function nounOf(devices: readonly FleetDevice[]): string {
  const kinds = new Set(devices.map((one) => one.kind));
  const only = kinds.size === 1 ? [...kinds][0] : undefined;
  return only === "panel" || only === "inverter" ? only : "device";
}

const plural = (noun: string, count: number) => (count === 1 ? noun : `${noun}s`);

export interface Verdict {
  mood: "good" | "bad" | "quiet";
  strong: string;
  rest: string;
}

/** What loses money, in one line. */
export function verdictOf(fleet: Fleet): Verdict {
  const { devices, summary, currency } = fleet;
  const noun = nounOf(devices);
  const count = countStates(devices);
  const all = `${formatCount(summary.n)} ${plural(noun, summary.n)}`;
  const of = (some: number, one: string, more: string) =>
    `${formatCount(some)} of ${all} ${some === 1 ? one : more}`;
  const night = fleet.is_day ? "" : "It is night: the next judgement comes with the sun.";
  if (count.stale + count.unknown === summary.n) return silenceOf(fleet, noun, all);
  const silent = count.stale > 0 ? `${formatCount(count.stale)} ${are(count.stale)} silent.` : "";
  const losing = countLosing(devices);
  if (losing > 0) {
    const loss = lossWords(summary.lost_kwh_per_day, summary.lost_money_per_day, currency);
    return {
      mood: "bad",
      strong: `${of(losing, "loses", "lose")} ${loss}.`,
      rest: join(worstWords(devices, losing), silent, night),
    };
  }
  const low = count.fault + count.low;
  if (low > 0) {
    return {
      mood: "bad",
      strong: `${of(low, "gives", "give")} less than expected.`,
      rest: join("What it costs is not known yet.", silent, night),
    };
  }
  if (count.stale > 0)
    return { mood: "bad", strong: `${of(count.stale, "is", "are")} silent.`, rest: night };
  if (!fleet.is_day)
    return { mood: "quiet", strong: `Night, and all ${all} were well.`, rest: night };
  return wellOf(fleet, noun, all);
}

const are = (count: number) => (count === 1 ? "is" : "are");
const join = (...sentences: string[]) => sentences.filter((one) => one !== "").join(" ");

function silenceOf(fleet: Fleet, noun: string, all: string): Verdict {
  const isNew = fleet.devices.every((one) => one.state === "unknown");
  const who = fleet.summary.n === 1 ? `The ${noun}` : `All ${all}`;
  const have = fleet.summary.n === 1 ? "has" : "have";
  return {
    mood: "bad",
    strong: isNew
      ? `${who} ${have} yet to say anything.`
      : `${who} ${are(fleet.summary.n)} silent.`,
    rest: "What they give now is not known. Health shows how far their readings come.",
  };
}

function wellOf({ summary, devices }: Fleet, noun: string, all: string): Verdict {
  const power = powerNow(devices);
  const expected = summary.expected_w;
  if (expected === null)
    return {
      mood: "quiet",
      strong: `What the ${plural(noun, summary.n)} should give is not known yet.`,
      rest: `Some days of readings tell it; latitude and longitude of the site and the rating_w of each ${noun} help.`,
    };
  const rest =
    power !== null && expected > 0
      ? `${formatShare(power / expected)} of what is expected at this moment.`
      : "";
  const strong =
    summary.n === 1 ? `The ${noun} gives what it should.` : `All ${all} give what they should.`;
  return { mood: "good", strong, rest };
}

/** Whom to see first. */
function worstWords(devices: readonly FleetDevice[], losing: number): string {
  const worst = rankByLoss(devices)[0];
  if (worst === undefined) return "";
  if (losing === 1) return worst.cause === null ? "" : `${worst.name}: ${worst.cause}.`;
  return `${worst.name} costs most${worst.cause === null ? "" : `: ${worst.cause}`}.`;
}

/** A device in one line, for a pointer that rests on it and for a screen reader. */
export function deviceWords(one: FleetDevice, currency: string | null): string {
  const parts = [stateOf(one)];
  if (one.power_w !== null) {
    const against =
      one.expected_w === null ? "" : ` of ${formatValue(one.expected_w, "W")} expected`;
    const last = one.state === "stale" ? "last " : "";
    parts.push(`${last}${formatValue(one.power_w, "W")}${against}`);
  }
  if (one.cause !== null) parts.push(one.cause);
  if (one.lost_kwh_per_day > 0)
    parts.push(`loses ${lossWords(one.lost_kwh_per_day, one.lost_money_per_day, currency)}`);
  return parts.join(", ");
}

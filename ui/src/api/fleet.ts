/** The answers about panels and inverters: how each does, and what was to be expected of it. */

export type PanelState = "ok" | "low" | "fault" | "stale" | "night" | "unknown";

export interface FleetDevice {
  id: string;
  name: string;
  kind: string;
  parent: string | null;
  rating_w: number | null;
  power_w: number | null;
  expected_w: number | null;
  /** Share of what was expected over the last hours of light; null where nothing was. */
  performance: number | null;
  state: PanelState;
  age_s: number | null;
  lost_kwh_per_day: number;
  /** Null without a price. */
  lost_money_per_day: number | null;
  /** Id of the incident that goes on. */
  incident: string | null;
  /** Its likeliest cause in words. */
  cause: string | null;
  /** Means of the last 24 hours [W], the oldest first. */
  spark: (number | null)[];
}

export interface FleetSummary {
  n: number;
  n_losing: number;
  lost_kwh_per_day: number;
  lost_money_per_day: number | null;
  power_w: number | null;
  expected_w: number | null;
}

export interface Fleet {
  as_of: string;
  site: string;
  is_day: boolean;
  currency: string | null;
  devices: FleetDevice[];
  summary: FleetSummary;
}

export type ExpectedMethod = "irradiance" | "clear_sky" | "none";

/** What a device should have given, with the band that is still usual, and what its peers gave. */
export interface Expected {
  unit: string;
  times: string[];
  low: (number | null)[];
  expected: (number | null)[];
  high: (number | null)[];
  peers: (number | null)[][];
  /** Where it comes from; "none" where too little is known, and all values are null. */
  method: ExpectedMethod;
}

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
  /** Power over what is expected; null at night and where nothing is expected. */
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

/** What a device should have made, with the band that is still usual, and what its peers made. */
export interface Expected {
  quantity: string;
  unit: string;
  times: string[];
  low: (number | null)[];
  expected: (number | null)[];
  high: (number | null)[];
  peers: (number | null)[][];
  /** How it was found, in words. */
  method: string;
}

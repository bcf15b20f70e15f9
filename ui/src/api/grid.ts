/** The answers about a grid of meters. Powers in W, energies in Wh; null = unknown. */

export type MeterNewsState = "ok" | "stale" | "silent";

export interface GridNow {
  site: string;
  at: string;
  meters: { all: number } & Record<MeterNewsState, number>;
  newest_at: string | null;
  age_s: number | null;
  /** Whether no meter is fresh. */
  is_stale: boolean;
  stale_after_s: number;
  /** Of the meters that are fresh. */
  load_w: number | null;
  load_meters: number;
  mean_w: number | null;
  median_w: number | null;
  highest: { meter: string; name: string; power_w: number } | null;
}

/** Buckets that follow each other, as columns. */
export interface GridLoad {
  site: string;
  start: string;
  end: string;
  interval_s: number;
  /** How many meters count. */
  meters: number;
  t: string[];
  /** Null where too few meters are known. */
  load_w: (number | null)[];
  /** How many meters are known in each. */
  known: number[];
}

export interface GridHour {
  start: string;
  end: string;
  load_w: number | null;
  energy_wh: number | null;
  meters: number;
  yesterday_load_w: number | null;
  yesterday_energy_wh: number | null;
}

export interface GridToday {
  day: string;
  start: string;
  end: string;
  hours: GridHour[];
  /** Both days up to the same time of the wall clock. */
  so_far: {
    until: string | null;
    energy_wh: number | null;
    yesterday_wh: number | null;
    change: number | null;
  };
}

export interface GridPeak {
  rank: number;
  start: string;
  end: string;
  load_w: number;
  meters: number;
}

export interface GridPeaks {
  start: string;
  end: string;
  meters: number;
  mean_w: number | null;
  known_quarters: number;
  quarters: number;
  peaks: GridPeak[];
}

export interface GridDay {
  day: string;
  start: string;
  end: string;
  energy_wh: number | null;
  meters: number;
  coverage: number;
  mean_wh: number | null;
}

export interface GridDays {
  meters: number;
  days: GridDay[];
}

export interface GridMonthMeter {
  rank: number | null;
  meter: string;
  name: string;
  energy_wh: number | null;
  share: number | null;
  before_wh: number | null;
  change: number | null;
  coverage: number;
}

export interface GridMonth {
  month: string;
  start: string;
  end: string;
  is_running: boolean;
  compared: { days: number; start: string; end: string; before_start: string; before_end: string };
  energy_wh: number | null;
  mean_wh: number | null;
  /** How many were found. */
  total: number;
  offset: number;
  meters: GridMonthMeter[];
}

export interface GridRegion {
  /** Null for meters whose id has no such digit. */
  region: string | null;
  meters: number;
  load_w: number | null;
  today_wh: number | null;
  yesterday_wh: number | null;
  month_wh: number | null;
  share_of_month: number | null;
}

export interface GridRegions {
  digit: number;
  today: string;
  month: string;
  regions: GridRegion[];
}

export interface GridMeter {
  meter: string;
  name: string;
  state: MeterNewsState;
  measured_at: string | null;
  age_s: number | null;
  stale_after_s: number;
  power_w: number | null;
  voltage_v: number | null;
  current_a: number | null;
  frequency_hz: number | null;
}

export interface GridMeters {
  at: string;
  total: number;
  offset: number;
  meters: GridMeter[];
}

interface Timed {
  duration_ms: number;
  rows: number;
  /** From which level it was answered, in words. */
  plan_summary: string;
}

export interface GridRollups {
  at: string;
  question: string;
  start: string;
  end: string;
  meters: number;
  all_meters: number;
  answers: number;
  is_equal: boolean;
  rolled_up: Timed;
  raw: Timed;
  times_faster: number | null;
  storage: {
    values: number;
    bytes: number;
    bytes_per_value: number | null;
    plain_bytes: number;
    plain_bytes_per_value: number;
    saved: number | null;
    rollup_bytes: number | null;
    values_in_memory: number | null;
  };
}

/** The shapes of the HTTP answers. Powers in W, energies in Wh, times RFC 3339; null = unknown. */

export interface Site {
  id: string;
  name: string;
  time_zone: string;
  currency: string;
  latitude: number | null;
  longitude: number | null;
  recipes: string[];
}

export type QuantityKind = "gauge" | "counter" | "delta";

export interface LatestValue {
  name: string;
  title: string;
  unit: string;
  kind: QuantityKind;
  value: number | null;
  measured_at: string | null;
}

export interface Device {
  id: string;
  site: string;
  name: string;
  kind: string;
  parent: string | null;
  rating_w: number | null;
  last_measured_at: string | null;
  age_s: number | null;
  is_stale: boolean;
  stale_after_s: number;
  quantities: LatestValue[];
}

export interface Bucket {
  t: string;
  mean: number | null;
  min: number | null;
  max: number | null;
  first: number | null;
  last: number | null;
  count: number;
  increase: number | null;
  energy_wh: number | null;
  coverage: number;
}

/** Columns of a chart, one entry a pixel that has values. */
export interface QuantityChart {
  /** What was read: raw, 1m, 15m, 1h or 1d. */
  level: string;
  start: string;
  end: string;
  pixels: number;
  /** Where each pixel begins, after `start` [s]. */
  t_s: number[];
  mean: (number | null)[];
  min: (number | null)[];
  max: (number | null)[];
  first: (number | null)[];
  last: (number | null)[];
  count: number[];
}

export interface Readings<Point> {
  device: string;
  quantity: string;
  unit: string;
  interval: string;
  start: string;
  end: string;
  points: Point[];
}

export interface Gap {
  start: string;
  end: string;
  duration_s: number;
}

export interface PowerChart {
  start: string;
  end: string;
  interval_s: number;
  t: string[];
  home_w: (number | null)[];
  solar_w: (number | null)[];
  grid_w: (number | null)[];
  gaps: Gap[];
}

export interface EnergyTotals {
  import_wh: number | null;
  export_wh: number | null;
  production_wh: number | null;
  consumption_wh: number | null;
  self_consumed_wh: number | null;
  self_sufficiency: number | null;
  self_consumption: number | null;
}

export interface EnergyBucket {
  start: string;
  end: string;
  import_wh: number | null;
  export_wh: number | null;
  production_wh: number | null;
  consumption_wh: number | null;
  self_consumed_wh: number | null;
  coverage: number;
}

export interface Energy {
  site: string;
  start: string;
  end: string;
  is_complete: boolean;
  coverage: number;
  totals: EnergyTotals;
  peak: { start: string; end: string; consumption_wh: number } | null;
  power_peak: { production_w: number; at: string } | null;
  previous: { start: string; end: string; totals: EnergyTotals } | null;
  buckets?: EnergyBucket[];
}

export interface Now {
  at: string | null;
  age_s: number | null;
  is_stale: boolean;
  stale_after_s: number;
  grid_w: number | null;
  solar_w: number | null;
  home_w: number | null;
  /** Whether the site makes solar power at all; absent from older servers. */
  has_solar?: boolean;
  battery_w: number | null;
  battery_soc_pct: number | null;
  loads: { device: string; name: string; power_w: number | null }[];
}

export interface DayInsights {
  always_on_w: number | null;
  gaps: (Gap & { device: string; estimated_wh: number | null })[];
}

export interface SourceState {
  name: string;
  kind: string;
  state: "connected" | "connecting" | "stopped";
  detail: string | null;
  rate_per_s: number | null;
  last_received_at: string | null;
}

export interface Health {
  version: string;
  started_at: string;
  sources: SourceState[];
  log: {
    end_offset: number;
    bytes: number;
    segments: number;
    durability: "full" | "relaxed";
    /** What a power cut may cost [s]; 0 with durability full. */
    loss_window_s: number;
    failed_syncs: number;
    lost_records: number;
    damages: LogDamage[];
  };
  store: {
    tail_rows: number;
    chunks: number;
    bytes: number;
    covered_offset: number;
    lag_records: number;
    damages: FileDamage[];
  };
  registry: { damages: string[] };
  counters: {
    received: number;
    stored: number;
    duplicate: number;
    quarantined: number;
    refused: number;
  };
  quarantine: { total: number; by_code: Record<string, number> };
  disk: {
    state: "ok" | "warning" | "refusing";
    /** What is the matter and what to do; empty while nothing is. */
    detail: string;
    free_bytes: number;
    total_bytes: number;
    data_bytes: number;
  };
}

/** A file of the store of which rows are left out until it is repaired. */
export interface FileDamage {
  file: string;
  rows: number;
  detail: string;
}

export interface LogDamage {
  kind: "record" | "torn" | "head" | "absent";
  segment: string;
  position: number;
  bytes: number;
  first_missing_offset: number | null;
  missing_records: number;
  lost_records: number;
  detail: string;
}

export interface QuarantineItem {
  id: string | number;
  source: string;
  topic: string | null;
  received_at: string;
  code: string;
  detail: string;
  payload_text: string | null;
  payload_base64: string | null;
}

export interface Topics {
  broker_url: string | null;
  topics: { topic: string; count: number; last_seen?: string | null; format: string | null }[];
}

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

/** How one Modbus meter answers. */
export interface MeterLink {
  device: string;
  /** Its gateway or line, such as 192.168.1.10:502. */
  endpoint: string;
  unit: number;
  /** Which map of registers it is read by. */
  type?: string;
  state: "online" | "offline" | "starting" | "refused";
  detail: string | null;
  last_ok_at: string | null;
  polls: number;
  failed: number;
  skipped: number;
  faults: Record<string, number>;
}

export interface SourceState {
  name: string;
  kind: string;
  state: "connected" | "connecting" | "stopped";
  detail: string | null;
  rate_per_s: number | null;
  last_received_at: string | null;
  /** Of a Modbus source only. */
  meters?: MeterLink[];
}

export interface OutputState {
  name: string;
  kind: string;
  address: string;
  state: "ok" | "waiting";
  /** What is the matter; empty while nothing is. */
  detail: string;
  lag_records: number;
  /** Log records that were gone before they were sent. */
  missed_records: number;
  values: number;
  left_out_values: number;
  refused_points: number;
  last_refusal: string;
  last_success_at: string | null;
  retry_at: string | null;
}

export interface Health {
  version: string;
  started_at: string;
  sources: SourceState[];
  outputs: OutputState[];
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

/** The same of a process of a cluster: logs and disks are those of servers. */
export interface ClusterHealth {
  version: string;
  processes: ClusterProcess[];
  store: { server: string; bytes: number; chunks: number };
  registry: { damages: string[] };
  quarantine: { total: number; by_code: Record<string, number> };
}

/** What a process said of itself last. */
export interface ClusterProcess {
  role: string;
  name: string;
  version: string;
  started_at: string;
  /** How long ago it said so [s]. */
  age_s: number;
  /** What it waits for; empty while it works. */
  waiting: string[];
  counters: { received: number; stored: number };
  /** Messages not stored yet, by partition. */
  lag: Record<string, number>;
  store_delay_s: number | null;
  /** Null for roles of which all work at once. */
  watch: { is_on_duty: boolean } | null;
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

/** Limits of green, yellow and red; null where a side has none. */
export interface Bands {
  red_low: number | null;
  green_low: number | null;
  green_high: number | null;
  red_high: number | null;
}

export type BandName = "green" | "yellow" | "red";

export interface PageSettings {
  phase_colours: "seed" | "iec" | "grey";
  heat_pump: {
    devices: { id: string; name: string }[];
    limits: {
      standby_below_w: number;
      high_from_w: number;
      hysteresis: number;
      min_state_s: number;
    };
    bands: { active_power_w: Bands; frequency_hz: Bands; power_factor: Bands };
  };
}

export type Phase = "l1" | "l2" | "l3";

export interface PhaseEnergy {
  total_wh: number | null;
  l1_wh: number | null;
  l2_wh: number | null;
  l3_wh: number | null;
}

export interface DeviceEnergyBucket extends PhaseEnergy {
  start: string;
  end: string;
  coverage: number;
}

export interface DeviceEnergy {
  device: string;
  start: string;
  end: string;
  interval: string;
  /** Which quantity counts each part; what is not counted is absent. */
  quantities: Partial<Record<"total" | Phase, string>>;
  totals: PhaseEnergy;
  previous: { start: string; end: string; totals: PhaseEnergy } | null;
  buckets: DeviceEnergyBucket[];
}

export type RunningState = "standby" | "active" | "high";

export interface StateSegment {
  state: RunningState;
  start: string;
  end: string;
  duration_s: number;
  energy_wh: number | null;
}

export interface StateSums {
  states: {
    state: RunningState;
    duration_s: number;
    share: number | null;
    energy_wh: number | null;
  }[];
  known_s: number;
  unknown_s: number;
  starts: number;
  high_starts: number;
}

export interface RunningStates extends StateSums {
  device: string;
  start: string;
  end: string;
  now: { state: RunningState; since: string; is_since_known: boolean } | null;
  days: (StateSums & { date: string })[];
  segments: StateSegment[];
}

export interface GradedQuantity {
  bands: Bands;
  graded_h: number;
  shares: Record<BandName, number> | null;
  lowest: { value: number; at: string } | null;
  highest: { value: number; at: string } | null;
}

export interface GridQuality {
  graded_by_s: number;
  frequency_hz: GradedQuantity | null;
  power_factor: GradedQuantity | null;
}

export interface PhaseBalance {
  definition: string;
  rows: {
    name: "voltage" | "current" | "active_power" | "energy";
    unit: string;
    phases: Record<Phase, number | null>;
    imbalance: number | null;
  }[];
}

export type MeterState = "ok" | "faulty" | "stale" | "offline" | "silent";

export interface PlantMeter {
  device: string;
  name: string;
  kind: string;
  parent: string | null;
  is_production: boolean;
  state: MeterState;
  /** Why it is not ok. */
  words: string;
  last_measured_at: string | null;
  age_s: number | null;
  stale_after_s: number;
  power_w: number | null;
  values: Record<string, number | null>;
  /** Names of all that it ever said. */
  quantities: string[];
  energy_today_wh: number | null;
  share_of_parent: number | null;
  link: MeterLink | null;
}

export interface Remainder {
  whole: number;
  parts: number;
  rest: number;
  is_contradiction: boolean;
}

export interface PlantSum {
  device: string;
  parts: string[];
  missing: string[];
  power_w: Remainder | null;
  energy_today_wh: Remainder | null;
}

export interface Plant {
  site: string;
  at: string;
  summary: { meters: number } & Record<MeterState, number>;
  meters: PlantMeter[];
  sums: PlantSum[];
}

/** The meter book: what is polled, and what was left out of it. */
export interface MeterBook {
  book: { kind: string; where: string };
  meters: DescribedMeter[];
  faults: { table: string; row: string; reason: string }[];
}

export interface DescribedMeter {
  id: string;
  is_in_settings: boolean;
  is_polled: boolean;
  fault: string | null;
  /** The row of the table; null for a meter of the settings, which is changed there only. */
  row: MeterRow | null;
}

/** A row of `energy_meters`, with whatever else it has. */
export interface MeterRow {
  id: number;
  host: string;
  port: number | null;
  slave_address: number;
  type: string;
  description?: string | null;
  device?: string | null;
  framing?: string | null;
  poll?: string | null;
  [column: string]: unknown;
}

export interface MeterType {
  name: string;
  title: string;
  kind: string;
}

export interface ReadValue {
  quantity: string;
  title: string;
  unit: string;
  value: number | null;
}

export interface FoundMeter {
  port: number;
  unit: number;
  framing: string;
  type: string;
  title: string;
  identity: string | null;
  values: ReadValue[];
  score: number;
}

export interface MeterScan {
  found: FoundMeter[];
  tried: number;
}

export interface TestRead {
  values: ReadValue[];
  faults: (string | { reason?: string; detail?: string })[];
}

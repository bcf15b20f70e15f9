/** The answers about incidents, alerts, the rules that raise them and the ways they take. */

export type Severity = "info" | "warning" | "critical";
export type IncidentState = "open" | "acknowledged" | "silenced" | "cleared";
export type AlertState = "raised" | "acknowledged" | "silenced" | "cleared";

export interface Finding {
  kind: string;
  title: string;
  detector: string;
  /** Empty for the device as a whole. */
  quantity: string;
  start: string;
  end: string;
  detail: string;
  /** 0 to 1 */
  confidence: number;
  lost_kwh: number;
  /** Numbers by name, each name ending in its unit. */
  evidence: Record<string, number>;
}

export interface Incident {
  id: string;
  site: string;
  device: string;
  device_name: string;
  kind: string;
  /** The likeliest cause in words. */
  title: string;
  state: IncidentState;
  severity: Severity;
  start: string;
  /** Null while it goes on. */
  end: string | null;
  causes: { name: string; title: string; share: number }[];
  lost_kwh: number;
  lost_kwh_per_day: number;
  /** Null without a price. */
  lost_money: number | null;
  lost_money_per_day: number | null;
  currency: string | null;
  recommendation: string;
  silenced_until: string | null;
  findings: Finding[];
}

export interface IncidentList {
  incidents: Incident[];
  summary: {
    n: number;
    lost_kwh_per_day: number;
    lost_money_per_day: number | null;
    currency: string | null;
  };
}

export interface Delivery {
  channel: string;
  event: "raised" | "reminded" | "cleared";
  state: "waiting" | "delivered" | "failed";
  attempts: number;
  last_error: string | null;
  delivered_at: string | null;
}

export interface Alert {
  id: number;
  rule: number;
  rule_name: string;
  device: string;
  device_name: string;
  /** What it is about, beside rule and device: a quantity, or the id of an incident. */
  key: string;
  state: AlertState;
  severity: Severity;
  raised_at: string;
  changed_at: string;
  title: string;
  detail: string;
  value: number | null;
  silenced_until: string | null;
  deliveries: Delivery[];
}

export type RuleKind = "above" | "below" | "no_data" | "rises" | "falls" | "incident";

export interface RuleSchedule {
  /** Monday is 0. */
  weekdays: number[];
  /** Local time of the site, HH:MM; the end may be 24:00 or lie before the start. */
  start: string;
  end: string;
}

export interface AlertRule {
  /** 0 before it is kept. */
  id: number;
  name: string;
  kind: RuleKind;
  /** Empty for all. */
  devices: string[];
  quantity: string;
  /** In the quantity's base unit; for incidents in kWh a day. */
  threshold: number;
  hysteresis: number;
  for_s: number;
  per_s: number;
  /** For incidents; empty for all. */
  kinds: string[];
  severity: Severity;
  schedule: RuleSchedule;
  /** Empty for all. */
  channels: string[];
  is_enabled: boolean;
}

export interface RulePreview {
  days: number;
  n_fired: number;
  fired: {
    device: string;
    device_name: string;
    raised_at: string;
    cleared_at: string | null;
    value: number | null;
  }[];
  n_devices: number;
}

export interface Channel {
  name: string;
  type: string;
  is_ok: boolean;
  last_error: string | null;
  /** Messages that are still to be sent. */
  waiting: number;
}

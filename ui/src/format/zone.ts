/** Local days in the site's time zone; an instant is always milliseconds of UTC. */

/** A local calendar day as YYYY-MM-DD. */
export type LocalDate = string;

interface LocalParts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formats.set(zone, format);
  }
  return format;
}

/** What the clock on the site's wall shows at an instant. */
export function localParts(ms: number, zone: string): LocalParts {
  const parts: Record<string, number> = {};
  for (const part of formatOf(zone).formatToParts(ms)) parts[part.type] = Number(part.value);
  return {
    year: parts["year"] ?? 1970,
    month: parts["month"] ?? 1,
    day: parts["day"] ?? 1,
    hour: parts["hour"] ?? 0,
    minute: parts["minute"] ?? 0,
    second: parts["second"] ?? 0,
  };
}

/** How far the wall clock is ahead of UTC at an instant [ms]. */
export function zoneOffsetMs(ms: number, zone: string): number {
  const p = localParts(ms, zone);
  const wall = Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second);
  return wall - Math.floor(ms / 1000) * 1000;
}

const pad = (n: number): string => String(n).padStart(2, "0");

export function localDateOf(ms: number, zone: string): LocalDate {
  const p = localParts(ms, zone);
  return `${String(p.year).padStart(4, "0")}-${pad(p.month)}-${pad(p.day)}`;
}

/** The instant at which the wall clock shows a date and hour; the first one if it shows it twice. */
export function instantOf(date: LocalDate, zone: string, hour = 0): number {
  const wall = Date.parse(`${date}T${pad(hour)}:00:00Z`);
  // The earlier of the two offsets around the change gives the first passing of a repeated hour.
  const candidates = [zoneOffsetMs(wall - 86_400_000, zone), zoneOffsetMs(wall + 86_400_000, zone)];
  const fitting = candidates
    .map((offset) => wall - offset)
    .filter((ms) => ms + zoneOffsetMs(ms, zone) === wall);
  if (fitting.length > 0) return Math.min(...fitting);
  // The wall clock skips this hour: the day begins at the first instant after it.
  return wall - (candidates[0] ?? 0);
}

export function addDays(date: LocalDate, days: number): LocalDate {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

export function isLocalDate(text: string | null | undefined): text is LocalDate {
  if (!text || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** A local time with its offset, for files: 2026-11-20T15:24:10+01:00. */
export function isoWithOffset(ms: number, zone: string): string {
  const offset = Math.round(zoneOffsetMs(ms, zone) / 60_000);
  const wall = new Date(Math.floor(ms / 1000) * 1000 + offset * 60_000).toISOString().slice(0, 19);
  const size = Math.abs(offset);
  return `${wall}${offset < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

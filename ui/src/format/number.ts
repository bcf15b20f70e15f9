/** Numbers a person can read: three significant digits, scaled unit, thin space, locale's sign. */

/** A narrow space that does not break. */
export const THIN_SPACE = "\u202f";
/** What stands where a value is unknown; never a zero. */
export const UNKNOWN = "–";

export interface Scaled {
  number: string;
  unit: string;
}

export interface Scale {
  factor: number;
  unit: string;
}

const PREFIXES = ["", "k", "M", "G", "T"];
const SCALED_UNITS = new Set(["W", "Wh", "VA", "var"]);
/** Units where a fixed number of decimals reads better than three digits. */
const FIXED_DECIMALS: Record<string, number> = { Hz: 2, V: 1, "°C": 1, "%": 1, "": 3 };

let locale: string | undefined;
const formats = new Map<string, Intl.NumberFormat>();

/** Sets the locale; undefined takes the browser's. */
export function setLocale(name: string | undefined): void {
  locale = name;
  formats.clear();
}

export function currentLocale(): string | undefined {
  return locale;
}

/** The prefix under which an absolute value has at most three digits before the decimal sign. */
export function scaleFor(absolute: number, unit: string): Scale {
  if (!SCALED_UNITS.has(unit)) return { factor: 1, unit };
  // Rounded first: 999.6 W is 1.00 kW, not 1000 W.
  const rounded = Number(absolute.toPrecision(3));
  let step = 0;
  while (step < PREFIXES.length - 1 && rounded >= 1000 ** (step + 1)) step += 1;
  return { factor: 1000 ** step, unit: `${PREFIXES[step]}${unit}` };
}

function decimalsFor(value: number): number {
  const rounded = Math.abs(Number(value.toPrecision(3)));
  if (rounded === 0 || rounded >= 100) return 0;
  return rounded >= 10 ? 1 : 2;
}

/** A number with a fixed count of decimals in the locale's writing. */
export function formatDecimal(value: number, decimals: number): string {
  const key = `${decimals}`;
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale, {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    formats.set(key, format);
  }
  const isZero = Number(value.toFixed(decimals)) === 0;
  return format.format(isZero ? 0 : value).replace("-", "−");
}

const plainFormats = new Map<number, Intl.NumberFormat>();

/** The same digits for a file: a point, no groups, a minus of ASCII. */
export function plainDecimal(value: number, decimals: number): string {
  let format = plainFormats.get(decimals);
  if (format === undefined) {
    // Not toFixed: it rounds the binary number and differs from the digits on the page by one.
    format = new Intl.NumberFormat("en", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      useGrouping: false,
    });
    plainFormats.set(decimals, format);
  }
  return format.format(Number(value.toFixed(decimals)) === 0 ? 0 : value);
}

/** Three significant digits, no prefix. */
export function formatThree(value: number): string {
  return formatDecimal(value, decimalsFor(value));
}

/** A value in its base unit as number and scaled unit; null stays unknown. */
export function scaleValue(value: number | null | undefined, unit: string): Scaled {
  if (value === null || value === undefined) return { number: UNKNOWN, unit: "" };
  const fixed = FIXED_DECIMALS[unit];
  if (fixed !== undefined) return { number: formatDecimal(value, fixed), unit };
  const scale = scaleFor(Math.abs(value), unit);
  return { number: formatThree(value / scale.factor), unit: scale.unit };
}

/** The same as one text, such as "1.29 kW". */
export function formatValue(value: number | null | undefined, unit: string): string {
  const scaled = scaleValue(value, unit);
  return scaled.unit ? `${scaled.number}${THIN_SPACE}${scaled.unit}` : scaled.number;
}

/** A share of 0 to 1 in whole percent. */
export function formatShare(share: number | null | undefined): string {
  if (share === null || share === undefined) return UNKNOWN;
  return `${formatDecimal(share * 100, 0)}${THIN_SPACE}%`;
}

/** How far a value is from an earlier one, signed; null when it cannot be said. */
export function formatChange(value: number | null, earlier: number | null): string | null {
  if (value === null || earlier === null || earlier <= 0) return null;
  const change = (value / earlier - 1) * 100;
  if (Math.abs(change) < 0.5) return "same";
  // Above this a percentage says less than a factor.
  if (change >= 1000) return `${formatThree(value / earlier)} times`;
  return `${change > 0 ? "+" : ""}${formatDecimal(change, 0)}${THIN_SPACE}%`;
}

export function formatCount(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : formatDecimal(value, 0);
}

/** A count with its word: 1 segment, 3 segments. */
export function formatCounted(value: number, word: string, many = `${word}s`): string {
  return `${formatCount(value)} ${value === 1 ? word : many}`;
}

export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (step < units.length - 1 && Number((bytes / 1000 ** step).toPrecision(3)) >= 1000)
    step += 1;
  const value = bytes / 1000 ** step;
  return `${step === 0 ? formatDecimal(value, 0) : formatThree(value)}${THIN_SPACE}${units[step]}`;
}

/** Money a person can read: the number, then the sign of the currency, as with any unit. */

import { currentLocale, formatDecimal, THIN_SPACE, UNKNOWN } from "./number";

/** From here on nobody counts the small coins. */
const WHOLE_FROM = 1000;

interface Currency {
  sign: string;
  /** Decimals of its smallest coin. */
  decimals: number;
}

const known = new Map<string, Currency>();

function currencyOf(code: string): Currency {
  const key = `${code}|${currentLocale() ?? ""}`;
  let found = known.get(key);
  if (found === undefined) {
    found = readCurrency(code);
    known.set(key, found);
  }
  return found;
}

function readCurrency(code: string): Currency {
  try {
    const writer = new Intl.NumberFormat(currentLocale(), {
      style: "currency",
      currency: code,
      currencyDisplay: "narrowSymbol",
    });
    const sign = writer.formatToParts(0).find((part) => part.type === "currency")?.value ?? code;
    return { sign, decimals: writer.resolvedOptions().maximumFractionDigits ?? 2 };
  } catch {
    // A currency that is none, such as points of a club, keeps its own name.
    return { sign: code, decimals: 2 };
  }
}

export interface Money {
  number: string;
  sign: string;
}

/** An amount as number and sign; what rounds to nothing and is not nothing is "under 0.01". */
export function scaleMoney(value: number | null | undefined, currency: string | null): Money {
  if (value === null || value === undefined || currency === null)
    return { number: UNKNOWN, sign: "" };
  const { sign, decimals } = currencyOf(currency);
  const coin = 10 ** -decimals;
  if (value > 0 && value < coin / 2)
    return { number: `under ${formatDecimal(coin, decimals)}`, sign };
  const shown = Math.abs(value) >= WHOLE_FROM ? 0 : decimals;
  return { number: formatDecimal(value, shown), sign };
}

/** The same as one text, such as "1.23 €". */
export function formatMoney(value: number | null | undefined, currency: string | null): string {
  const { number, sign } = scaleMoney(value, currency);
  return sign ? `${number}${THIN_SPACE}${sign}` : number;
}

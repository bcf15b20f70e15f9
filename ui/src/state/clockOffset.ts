/** What an answer of the server tells of its clock. */

/** A clock that is wrong by less does no harm here. */
const TRUSTED_OFFSET_MS = 3000;

/**
 * How far the server's clock is ahead of the browser's, by one answer [ms].
 *
 * The server wrote the second it had some time between the two instants of the browser. How long an
 * answer took says nothing about clocks: what was known, or none, stays while it can be true.
 */
export function learnOffset(
  knownMs: number,
  statedMs: number,
  sentMs: number,
  receivedMs: number,
): number {
  const least = statedMs - receivedMs;
  const most = statedMs + 1000 - sentMs;
  const isPossible = (offset: number) =>
    offset >= least - TRUSTED_OFFSET_MS && offset <= most + TRUSTED_OFFSET_MS;
  return [knownMs, 0].find(isPossible) ?? (least + most) / 2;
}

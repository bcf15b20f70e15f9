import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

export interface Extent {
  width: number;
  height: number;
}

/** A width once it has stopped changing; the first one that is known counts at once. */
export function useSettled(width: number, restMs: number): number {
  const [settled, setSettled] = useState(width);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(width), settled === 0 ? 0 : restMs);
    return () => clearTimeout(timer);
  }, [width, settled, restMs]);
  return settled === 0 ? width : settled;
}

/** The size of an element in whole CSS pixels, followed as it changes; zero before the first layout. */
export function useExtent(box: RefObject<HTMLElement | null>): Extent {
  const [extent, setExtent] = useState<Extent>({ width: 0, height: 0 });
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const read = () => {
      const { width, height } = element.getBoundingClientRect();
      setExtent((old) => {
        const next = { width: Math.floor(width), height: Math.floor(height) };
        return old.width === next.width && old.height === next.height ? old : next;
      });
    };
    read();
    const observer = new ResizeObserver(read);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return extent;
}

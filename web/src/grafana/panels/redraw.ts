// Marks over a plot are placed when it draws; its first drawing comes before they listen.
import { useEffect, type RefObject } from "react";
import type uPlot from "uplot";

/** Draws ``plot`` once more after ``marks`` or the plot itself changed. */
export function useRedraw(plot: RefObject<uPlot | null>, marks: unknown[], builder: unknown): void {
  useEffect(() => {
    if (!marks.length) return undefined;
    const frame = requestAnimationFrame(() => plot.current?.redraw(false));
    return () => cancelAnimationFrame(frame);
  }, [plot, marks, builder]);
}

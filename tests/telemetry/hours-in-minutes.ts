/**
 * The shipped alerts with each time in them divided by 60: how long something has to last, how far back is looked, and how old the newest fact of a
 * run may be. For faults of real fleets, which nobody waits half an hour for.
 */
export function hoursInMinutes(rules: string): string {
  const shorten = (amount: string, unit: string): string => {
    const seconds = (Number(amount) * { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h']) / 60;
    return `${Math.max(1, Math.round(seconds))}s`;
  };
  return rules
    .replaceAll(/(?<=^ +for: )(\d+)([smh])$/gm, (_, amount: string, unit: string) => shorten(amount, unit))
    .replaceAll(/(?<=\[)(\d+)([smh])(?=\])/g, (_, amount: string, unit: string) => shorten(amount, unit))
    .replaceAll(
      /(?<=time\(\) - gradus_run_progress_timestamp_seconds > )(\d+)/g,
      (seconds) => `${Number(seconds) / 60}`,
    );
}

import { cpus, loadavg, platform, release, totalmem } from 'node:os';

/** What a reader needs to compare two measurements. */
export function machineFacts() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    /** Work that others did meanwhile makes every figure worse. */
    loadAverage1m: loadavg()[0] ?? 0,
    at: new Date().toISOString(),
  };
}

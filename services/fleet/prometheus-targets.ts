interface Served {
  readonly label: string;
  readonly service: string;
  readonly metrics?: string | undefined;
}

/**
 * <home>/prometheus.json: where Prometheus finds the metrics of what runs here, as its `file_sd_configs` reads it. Ports are others with
 * each start, unless the recipe says which. With certificates they are asked over HTTPS.
 */
export function prometheusTargets(services: readonly Served[], secure: boolean): string {
  const targets = services.flatMap(({ label, service, metrics }) =>
    metrics === undefined
      ? []
      : [{ targets: [metrics], labels: { ...(secure && { __scheme__: 'https' }), instance: label, service } }],
  );
  return `${JSON.stringify(targets, null, 2)}\n`;
}

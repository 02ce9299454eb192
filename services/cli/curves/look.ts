/** How every picture of a run looks. */
export const blue = '#2563eb';
export const orange = '#d97706';
const ink = '#1f2933';
const grey = '#6b7280';

export const look = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  padding: 12,
  config: {
    font: 'system-ui, sans-serif',
    background: 'white',
    axis: {
      labelColor: grey,
      titleColor: grey,
      titleFontWeight: 'normal' as const,
      gridColor: '#e5e7eb',
      domainColor: '#9ca3af',
      tickColor: '#9ca3af',
      format: '.5~g',
    },
    title: {
      color: ink,
      anchor: 'start' as const,
      frame: 'group' as const,
      fontSize: 12,
      subtitleColor: grey,
      subtitleFontSize: 11,
    },
    legend: { labelColor: ink, labelFontSize: 11, symbolStrokeWidth: 2.5, symbolOpacity: 1 },
    concat: { spacing: 18 },
    view: { stroke: null },
  },
};

/** Above all panels of a picture: what it shows, and how that is drawn. */
export const heading = (text: string, subtitle: readonly string[]) => ({
  text,
  subtitle: [...subtitle],
  fontSize: 14,
  offset: 14,
});

/** From 0 to 100 %: a share looks as large as it is, however few the rows are. */
export const shareScale = { domain: [0, 1] };
export const shareAxis = { format: '.0%', values: [0, 0.25, 0.5, 0.75, 1] };

/** Steps are whole numbers. */
export const stepAxis = { tickMinStep: 1, tickCount: 6, format: 'd', grid: false };

// What a dashboard of ours may be: Grafana's own types, with each kind of panel held to the options of its own plugin, and
// nothing that none of them knows.

import type * as grafana from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON has an enum's values, not its members.
type Plain<T> = unknown extends T ? T
  : T extends string ? `${T}`
  : T extends Array<infer U> ? Array<Plain<U>>
  : T extends object ? { [K in keyof T]: Plain<T[K]> }
  : T;

interface Plugins {
  bargauge: { options: bargauge.Options; field: Record<never, never> };
  stat: { options: stat.Options; field: Record<never, never> };
  'state-timeline': { options: timeline.Options; field: timeline.FieldConfig };
  table: { options: table.Options; field: table.FieldConfig };
  timeseries: { options: timeseries.Options; field: timeseries.FieldConfig };
}

type Link = { title: string; url: string; targetBlank: boolean };
type Standard = Omit<grafana.FieldConfig, 'custom' | 'links'> & { links?: Link[] };

type Property<F> =
  | { [K in keyof Standard]-?: { id: K; value: Standard[K] } }[keyof Standard]
  | { [K in keyof F & string]-?: { id: `custom.${K}`; value: F[K] } }[keyof F & string];

interface Target {
  refId: string;
  datasource: { type: 'prometheus'; uid: string };
  expr: string;
  legendFormat: string;
  format: 'time_series' | 'table';
  editorMode: 'code';
  exemplar: boolean;
  instant: boolean;
  range: boolean;
}

type Transformation =
  | { id: 'merge'; options: Record<never, never> }
  | {
      id: 'organize';
      options: {
        indexByName: Record<string, number>;
        excludeByName: Record<string, boolean>;
        renameByName: Record<string, string>;
      };
    };

type PanelOf<K extends keyof Plugins> = Omit<
  grafana.Panel,
  'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations'
> & {
  type: K;
  options: Partial<Plugins[K]['options']>;
  targets: Target[];
  transformations: Transformation[];
  fieldConfig: {
    defaults: Standard & { custom?: Partial<Plugins[K]['field']> };
    overrides: Array<{ matcher: { id: 'byName'; options: string }; properties: Property<Plugins[K]['field']>[] }>;
  };
};

type Panel = { [K in keyof Plugins]: PanelOf<K> }[keyof Plugins];

// What the Prometheus data source adds to an annotation.
interface Mark extends grafana.AnnotationQuery {
  expr: string;
  step: string;
  tagKeys: string;
  textFormat: string;
  titleFormat: string;
  useValueForTime: 'on';
}

// `definition` is what Grafana's editor shows of a query.
type Variable = grafana.VariableModel & { definition?: string };

export type Dashboard = Plain<
  Omit<grafana.Dashboard, 'panels' | 'annotations' | 'templating'> & {
    panels: Array<Panel | grafana.RowPanel>;
    annotations: { list: Array<grafana.AnnotationQuery | Mark> };
    templating: { list: Variable[] };
  }
>;

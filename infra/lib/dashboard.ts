/**
 * The dashboard: the state of the alarms, then a row for each part, which the part itself defines.
 */
import { Stack } from 'aws-cdk-lib';
import {
  Alarm, AlarmStatusWidget, Dashboard, GraphWidget, type IMetric, type IWidget, TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';

import type { Blueprint } from './blueprint';

/** A part of the bridge with metrics to show. */
export interface Row {
  readonly title: string;
  readonly widgets: readonly IWidget[];
}

const ROW_WIDTH = 24;
const WIDGETS_A_ROW = 4;

/** One graph; four of them fill a row. */
export function graph(title: string, metrics: IMetric[]): GraphWidget {
  return new GraphWidget({
    title,
    width: ROW_WIDTH / WIDGETS_A_ROW,
    height: 6,
    left: metrics,
    leftYAxis: { min: 0, showUnits: false },
  });
}

export class BridgeDashboard extends Construct {
  constructor(scope: Construct, id: string, blueprint: Blueprint, rows: readonly Row[]) {
    super(scope, id);
    const alarms = Stack.of(this).node.findAll()
      .filter((construct): construct is Alarm => construct instanceof Alarm);
    const dashboard = new Dashboard(this, 'Dashboard', {
      dashboardName: `poolbridge-${blueprint.configuration.name}`,
    });
    dashboard.addWidgets(new AlarmStatusWidget({ title: 'Alarms', width: ROW_WIDTH, alarms }));
    for (const row of rows) {
      dashboard.addWidgets(new TextWidget({
        markdown: `## ${row.title}`,
        width: ROW_WIDTH,
        height: 1,
      }));
      dashboard.addWidgets(...row.widgets);
    }
  }
}

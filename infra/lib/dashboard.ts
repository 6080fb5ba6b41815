/** The dashboard: the state of the alarms, and a row for each part of the bridge. */
import { Stack } from 'aws-cdk-lib';
import {
  Alarm, AlarmStatusWidget, Dashboard, GraphWidget, type IMetric, type IWidget, TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import type { BridgeProps } from './bridge-props';

export interface Row {
  readonly title: string;
  readonly widgets: readonly IWidget[];
}

const ROW_WIDTH = 24;
const WIDGETS_PER_ROW = 4;

/** One graph; four of them fill a row. */
export function graph(title: string, metrics: IMetric[]): GraphWidget {
  return new GraphWidget({
    title,
    width: ROW_WIDTH / WIDGETS_PER_ROW,
    height: 6,
    left: metrics,
    leftYAxis: { min: 0, showUnits: false },
  });
}

/** The messages of a queue. */
export function queueGraph(title: string, queue: IQueue): GraphWidget {
  return graph(title, [
    queue.metricApproximateNumberOfMessagesVisible({ label: 'waiting' }),
    queue.metricApproximateNumberOfMessagesNotVisible({ label: 'in flight' }),
  ]);
}

export class BridgeDashboard extends Construct {
  constructor(scope: Construct, id: string, bridge: BridgeProps, rows: readonly Row[]) {
    super(scope, id);
    const alarms = Stack.of(this).node.findAll()
      .filter((construct): construct is Alarm => construct instanceof Alarm);
    const dashboard = new Dashboard(this, 'Dashboard', {
      dashboardName: `poolbridge-${bridge.configuration.name}`,
    });
    dashboard.addWidgets(new AlarmStatusWidget({ title: 'Alarms', width: ROW_WIDTH, alarms }));
    for (const { title, widgets } of rows) {
      dashboard.addWidgets(
        new TextWidget({ markdown: `## ${title}`, width: ROW_WIDTH, height: 1 }),
      );
      dashboard.addWidgets(...widgets);
    }
  }
}

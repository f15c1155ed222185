//! Encodes the answer to ExplainTask.

use crate::models::{Explanation, Obstacle, ObstacleKind};
use crate::pb;
use crate::pb::obstacle::Kind;

/// The answer to ExplainTask.
pub(in crate::server::api) fn explanation(explanation: Explanation) -> pb::ExplainTaskResponse {
    pb::ExplainTaskResponse {
        state: pb::TaskState::from(explanation.state) as i32,
        summary: explanation.summary,
        obstacles: explanation.obstacles.into_iter().map(obstacle).collect(),
        runs_at: explanation.runs_at.map(Into::into),
    }
}

fn obstacle(obstacle: Obstacle) -> pb::Obstacle {
    pb::Obstacle {
        kind: kind(obstacle.kind) as i32,
        description: obstacle.description,
        task_ids: obstacle.tasks.iter().map(|id| id.as_str().into()).collect(),
        until: obstacle.until.map(Into::into),
        count: obstacle.count,
        limit: obstacle.limit,
    }
}

fn kind(kind: ObstacleKind) -> Kind {
    match kind {
        ObstacleKind::Time => Kind::Time,
        ObstacleKind::Backoff => Kind::Backoff,
        ObstacleKind::Dependencies => Kind::Dependencies,
        ObstacleKind::Paused => Kind::Paused,
        ObstacleKind::QueueConcurrency => Kind::QueueConcurrency,
        ObstacleKind::QueueRate => Kind::QueueRate,
        ObstacleKind::ConcurrencyKey => Kind::ConcurrencyKey,
        ObstacleKind::Capacity => Kind::Capacity,
        ObstacleKind::Method => Kind::Method,
        ObstacleKind::Suspect => Kind::Suspect,
        ObstacleKind::QueuePosition => Kind::QueuePosition,
        ObstacleKind::Draining => Kind::Draining,
        ObstacleKind::Store => Kind::Store,
    }
}

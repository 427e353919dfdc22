// SPDX-License-Identifier: MIT
package peers;

import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.task.CompletionHandler;
import com.github.kagkarlsson.scheduler.task.SchedulableInstance;
import com.github.kagkarlsson.scheduler.task.helper.CustomTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;

/**
 * db-scheduler with PostgreSQL: a row for each job, which each execution moves to its next second.
 *
 * <p>With its polling by SELECT ... FOR UPDATE SKIP LOCKED, the faster of its two ways. The durable
 * record is the row's last success.
 */
public final class DbScheduler {
  private static final String TABLE =
      """
      CREATE TABLE IF NOT EXISTS scheduled_tasks (
        task_name text NOT NULL, task_instance text NOT NULL, task_data bytea,
        execution_time timestamptz NOT NULL, picked boolean NOT NULL, picked_by text,
        last_success timestamptz, last_failure timestamptz, consecutive_failures int,
        last_heartbeat timestamptz, version bigint NOT NULL, priority smallint,
        PRIMARY KEY (task_name, task_instance));
      CREATE INDEX IF NOT EXISTS execution_time_idx ON scheduled_tasks (execution_time);
      CREATE INDEX IF NOT EXISTS last_heartbeat_idx ON scheduled_tasks (last_heartbeat);
      """;
  private static final int MADE_AT_ONCE = 1000;
  private static final Duration YEAR = Duration.ofDays(365);

  public static void main(String[] words) throws Exception {
    Peer peer = new Peer(words);
    HikariDataSource pool = peer.connections();
    boolean isNew = makeTable(pool);
    boolean everySecond = peer.schedule.equals(Peer.EVERY_SECOND);
    CustomTask<Void> task =
        Tasks.custom("job", Void.class)
            .onFailure((complete, operations) -> peer.count(false))
            .execute(
                (instance, context) -> {
                  Instant due = context.getExecution().executionTime;
                  send(peer, instance.getId(), due);
                  return end(peer, everySecond ? due.plusSeconds(1) : due.plus(YEAR));
                });
    Scheduler scheduler =
        Scheduler.create(pool, task)
            .executorService(Peer.threads())
            .threads(Peer.THREADS_MAX)
            .pollUsingLockAndFetch(0.5, 4.0)
            .pollingInterval(Duration.ofMillis(100))
            .build();
    if (isNew) makeJobs(peer, scheduler, task, everySecond);
    scheduler.start();
    peer.run(scheduler::stop);
  }

  private static boolean makeTable(HikariDataSource pool) throws Exception {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(TABLE);
      try (var rows = statement.executeQuery("SELECT 1 FROM scheduled_tasks LIMIT 1")) {
        return !rows.next();
      }
    }
  }

  private static void send(Peer peer, String number, Instant due) {
    try {
      peer.post(number, due);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static CompletionHandler<Void> end(Peer peer, Instant next) {
    return (complete, operations) -> {
      operations.reschedule(complete, next);
      peer.count(true);
    };
  }

  private static void makeJobs(
      Peer peer, Scheduler scheduler, CustomTask<Void> task, boolean everySecond) {
    Instant first = everySecond ? Instant.now().plusSeconds(2) : instantOf(peer.schedule);
    Instant whole = Instant.ofEpochSecond(first.getEpochSecond());
    List<SchedulableInstance<?>> some = new ArrayList<>();
    for (int number = 0; number < peer.jobs + peer.idle; number++) {
      Instant at = number < peer.jobs ? whole : whole.plus(YEAR);
      some.add(SchedulableInstance.of(task.instance(Integer.toString(number)), at));
      if (some.size() == MADE_AT_ONCE || number == peer.jobs + peer.idle - 1) {
        scheduler.scheduleBatch(some);
        some.clear();
      }
    }
  }

  /** The instant that a schedule of fixed second, minute and hour names, today. */
  private static Instant instantOf(String schedule) {
    String[] fields = schedule.split(" ");
    LocalTime time =
        LocalTime.of(
            Integer.parseInt(fields[2]), Integer.parseInt(fields[1]), Integer.parseInt(fields[0]));
    return LocalDate.now(ZoneOffset.UTC).atTime(time).toInstant(ZoneOffset.UTC);
  }

  private DbScheduler() {}
}

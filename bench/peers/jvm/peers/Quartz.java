// SPDX-License-Identifier: MIT
package peers;

import com.zaxxer.hikari.HikariDataSource;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TimeZone;
import org.quartz.CronScheduleBuilder;
import org.quartz.Job;
import org.quartz.JobBuilder;
import org.quartz.JobDetail;
import org.quartz.JobExecutionContext;
import org.quartz.JobExecutionException;
import org.quartz.Scheduler;
import org.quartz.SchedulerException;
import org.quartz.Trigger;
import org.quartz.TriggerBuilder;
import org.quartz.impl.StdSchedulerFactory;
import org.quartz.utils.ConnectionProvider;
import org.quartz.utils.DBConnectionManager;

/**
 * Quartz, clustered, with PostgreSQL: a job and a cron trigger for each.
 *
 * <p>Triggers are taken in batches, as its documentation advises for many of them. Quartz keeps no
 * record of an execution; the nearest is that the trigger has moved on.
 */
public final class Quartz {
  private static final String POOL = "pool";
  private static final int MADE_AT_ONCE = 500;
  private static final int BATCH = 100;
  private static Peer peer;

  /** Quartz makes an object of this class for each execution. */
  public static final class Call implements Job {
    @Override
    public void execute(JobExecutionContext context) throws JobExecutionException {
      try {
        peer.post(
            context.getJobDetail().getKey().getName(),
            context.getScheduledFireTime().toInstant());
        peer.count(true);
      } catch (Exception e) {
        peer.count(false);
        throw new JobExecutionException(e);
      }
    }
  }

  private record Pool(HikariDataSource source) implements ConnectionProvider {
    @Override
    public Connection getConnection() throws SQLException {
      return source.getConnection();
    }

    @Override
    public void shutdown() {
      source.close();
    }

    @Override
    public void initialize() {}
  }

  public static void main(String[] words) throws Exception {
    peer = new Peer(words);
    HikariDataSource source = peer.connections();
    boolean isNew = makeTables(source);
    DBConnectionManager.getInstance().addConnectionProvider(POOL, new Pool(source));
    Scheduler scheduler = new StdSchedulerFactory(properties()).getScheduler();
    if (isNew) makeJobs(scheduler);
    scheduler.start();
    peer.run(() -> stop(scheduler));
  }

  private static Properties properties() {
    Properties p = new Properties();
    p.setProperty("org.quartz.scheduler.instanceName", "peer");
    p.setProperty("org.quartz.scheduler.instanceId", "AUTO");
    p.setProperty("org.quartz.scheduler.skipUpdateCheck", "true");
    p.setProperty("org.quartz.scheduler.batchTriggerAcquisitionMaxCount", "" + BATCH);
    p.setProperty("org.quartz.threadPool.class", "org.quartz.simpl.SimpleThreadPool");
    p.setProperty("org.quartz.threadPool.threadCount", "64");
    p.setProperty("org.quartz.jobStore.class", "org.quartz.impl.jdbcjobstore.JobStoreTX");
    p.setProperty(
        "org.quartz.jobStore.driverDelegateClass",
        "org.quartz.impl.jdbcjobstore.PostgreSQLDelegate");
    p.setProperty("org.quartz.jobStore.dataSource", POOL);
    p.setProperty("org.quartz.jobStore.isClustered", "true");
    p.setProperty("org.quartz.jobStore.acquireTriggersWithinLock", "true");
    p.setProperty("org.quartz.jobStore.useProperties", "true");
    return p;
  }

  private static boolean makeTables(HikariDataSource source) throws Exception {
    try (Connection connection = source.getConnection();
        Statement statement = connection.createStatement()) {
      try (var rows = statement.executeQuery("SELECT to_regclass('qrtz_triggers') IS NULL")) {
        rows.next();
        if (!rows.getBoolean(1)) return false;
      }
      String name = "/org/quartz/impl/jdbcjobstore/tables_postgres.sql";
      try (InputStream script = Scheduler.class.getResourceAsStream(name)) {
        statement.execute(new String(script.readAllBytes(), StandardCharsets.UTF_8));
      }
      return true;
    }
  }

  private static void makeJobs(Scheduler scheduler) throws SchedulerException {
    Map<JobDetail, Set<? extends Trigger>> some = new HashMap<>();
    int all = peer.jobs + peer.idle;
    for (int number = 0; number < all; number++) {
      JobDetail job =
          JobBuilder.newJob(Call.class).withIdentity(Integer.toString(number)).build();
      some.put(job, Set.of(trigger(number, number < peer.jobs ? peer.schedule : "0 0 0 1 1 *")));
      if (some.size() == MADE_AT_ONCE || number == all - 1) {
        scheduler.scheduleJobs(some, false);
        some.clear();
      }
    }
  }

  /** Quartz wants a question mark for the day of the week when there is a day of the month. */
  private static Trigger trigger(int number, String schedule) {
    String quartz = schedule.substring(0, schedule.length() - 1) + "?";
    return TriggerBuilder.newTrigger()
        .withIdentity(Integer.toString(number))
        .withSchedule(
            CronScheduleBuilder.cronSchedule(quartz)
                .inTimeZone(TimeZone.getTimeZone("UTC"))
                .withMisfireHandlingInstructionIgnoreMisfires())
        .build();
  }

  private static void stop(Scheduler scheduler) {
    try {
      scheduler.shutdown(true);
    } catch (SchedulerException e) {
      System.err.println(e.getMessage());
    }
  }

  private Quartz() {}
}

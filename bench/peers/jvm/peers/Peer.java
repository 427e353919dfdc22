// SPDX-License-Identifier: MIT
package peers;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.LongAdder;

/**
 * What the peers of the JVM have in common: the same arguments and the same two lines of output as
 * the peers of Node.js (see ../../peer.mjs), the request, and the pool of connections to
 * PostgreSQL.
 *
 * <p>The pool asks for commits that do not wait for the disk, which is these peers' fastest way.
 */
final class Peer {
  static final String EVERY_SECOND = "* * * * * *";
  static final int THREADS_MAX = 256;
  private static final int CONNECTIONS = 16;

  final int jobs;
  final int idle;
  final String schedule;
  private final String url;
  private final String store;
  private final long seconds;
  private final HttpClient client;
  private final LongAdder succeeded = new LongAdder();
  private final LongAdder records = new LongAdder();

  Peer(String[] words) {
    Map<String, String> options = new HashMap<>();
    for (int i = 4; i + 1 < words.length; i += 2) options.put(words[i], words[i + 1]);
    jobs = Integer.parseInt(words[0]);
    url = words[1];
    seconds = Long.parseLong(words[3]);
    schedule = options.getOrDefault("--schedule", EVERY_SECOND);
    idle = Integer.parseInt(options.getOrDefault("--idle", "0"));
    store = options.get("--store");
    client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  }

  /** Threads that cost little where this JVM has them, else as many as help. */
  static ExecutorService threads() {
    try {
      return (ExecutorService)
          Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
    } catch (ReflectiveOperationException olderThanJava21) {
      return Executors.newFixedThreadPool(THREADS_MAX);
    }
  }

  HikariDataSource connections() {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl("jdbc:postgresql://localhost/postgres");
    config.setUsername("postgres");
    config.addDataSourceProperty(
        "socketFactory", "org.newsclub.net.unix.AFUNIXSocketFactory$FactoryArg");
    config.addDataSourceProperty("socketFactoryArg", Path.of(store, ".s.PGSQL.5432").toString());
    config.addDataSourceProperty("options", "-c synchronous_commit=off");
    config.addDataSourceProperty("reWriteBatchedInserts", "true");
    config.setMaximumPoolSize(CONNECTIONS);
    return new HikariDataSource(config);
  }

  /** Calls the job's URL for this instant. The target computes by the header how late it is. */
  void post(String number, Instant instant) throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url + "/" + number))
            .timeout(Duration.ofSeconds(30))
            .header("content-type", "application/json")
            .header("idempotency-key", "\"" + number + "-" + instant.toEpochMilli() + "\"")
            .header("carillon-scheduled-at", instant.toString())
            .POST(HttpRequest.BodyPublishers.ofString("{\"job_id\":" + number + "}"))
            .build();
    int status = client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    if (status >= 300) throw new IOException("status " + status);
  }

  /** An execution has its record in the database. */
  void count(boolean success) {
    records.increment();
    if (success) succeeded.increment();
  }

  /** Says that all is scheduled, waits for the end, and says how much was done. */
  void run(Runnable stop) throws InterruptedException {
    CountDownLatch end = new CountDownLatch(1);
    Thread hook =
        new Thread(
            () -> {
              stop.run();
              System.out.printf(
                  "{\"records\":%d,\"succeeded\":%d}%n", records.sum(), succeeded.sum());
              System.out.flush();
              end.countDown();
            });
    Runtime.getRuntime().addShutdownHook(hook);
    System.out.println("{\"ready\":true}");
    System.out.flush();
    if (!end.await(seconds, java.util.concurrent.TimeUnit.SECONDS)) System.exit(0);
  }
}

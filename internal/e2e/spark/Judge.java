import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.VariantVal;

/**
 * Runs SQL on one Spark application: a statement a line on standard input (newlines as \n), and for
 * each the rows, "R row", sorted, in the canonical form of package rowjson, then "D", or "E message".
 * The argument is the warehouse of the catalog "h".
 */
public class Judge {
  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    System.setOut(System.err); // what libraries print is not an answer
    SparkSession spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", false)
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", 2)
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.datetime.java8API.enabled", true)
            .config("spark.sql.warehouse.dir", args[0] + "/.spark-warehouse")
            .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
            .config("spark.sql.catalog.h", "org.apache.iceberg.spark.SparkCatalog")
            .config("spark.sql.catalog.h.type", "hadoop")
            .config("spark.sql.catalog.h.warehouse", args[0])
            .config("spark.sql.catalog.h.cache-enabled", false)
            .getOrCreate();
    out.println("D");
    out.flush();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = in.readLine()) != null; ) {
      try {
        for (String r : run(spark, line.replace("\\n", "\n"))) {
          out.println("R " + r);
        }
        out.println("D");
      } catch (Throwable e) {
        StringBuilder m = new StringBuilder();
        for (Throwable t = e; t != null; t = t.getCause()) {
          m.append(t.getClass().getSimpleName()).append(": ").append(t.getMessage()).append(" / ");
        }
        out.println("E " + m.toString().replaceAll("\\s+", " "));
      }
      out.flush();
    }
    spark.stop();
  }

  static List<String> run(SparkSession spark, String sql) {
    Dataset<Row> data = spark.sql(sql);
    StructType schema = data.schema();
    List<String> rows = new ArrayList<>();
    for (Row r : data.collectAsList()) {
      StringBuilder b = new StringBuilder();
      struct(b, r, schema);
      rows.add(b.toString());
    }
    rows.sort((x, y) -> Arrays.compareUnsigned(x.getBytes(StandardCharsets.UTF_8), y.getBytes(StandardCharsets.UTF_8)));
    return rows;
  }

  static void struct(StringBuilder b, Row r, StructType t) {
    b.append('{');
    StructField[] fields = t.fields();
    for (int i = 0; i < fields.length; i++) {
      if (i > 0) b.append(',');
      text(b, fields[i].name());
      b.append(':');
      value(b, r.get(i), fields[i].dataType());
    }
    b.append('}');
  }

  static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss.SSSSSS");

  static void value(StringBuilder b, Object v, DataType t) {
    if (v == null) {
      b.append("null");
    } else if (v instanceof Float f) {
      text(b, String.format("f32:%08x", Float.floatToIntBits(f)));
    } else if (v instanceof Double d) {
      text(b, String.format("f64:%016x", Double.doubleToLongBits(d)));
    } else if (v instanceof BigDecimal d) {
      text(b, d.toPlainString());
    } else if (v instanceof Boolean || v instanceof Number) {
      b.append(v);
    } else if (v instanceof byte[] bytes) {
      StringBuilder hex = new StringBuilder();
      for (byte x : bytes) hex.append(String.format("%02x", x));
      text(b, hex.toString());
    } else if (v instanceof Instant i) {
      text(b, stamp(LocalDateTime.ofInstant(i, ZoneOffset.UTC)) + "Z");
    } else if (v instanceof LocalDateTime l) {
      text(b, stamp(l));
    } else if (v instanceof VariantVal x) {
      b.append("[\"json\",").append(x.toJson(ZoneOffset.UTC)).append(']');
    } else if (t instanceof StructType s) {
      struct(b, (Row) v, s);
    } else if (t instanceof ArrayType a) {
      b.append('[');
      int n = 0;
      for (Object e : scala.jdk.javaapi.CollectionConverters.asJava((scala.collection.Seq<?>) v)) {
        if (n++ > 0) b.append(',');
        value(b, e, a.elementType());
      }
      b.append(']');
    } else if (t instanceof MapType m) {
      List<String> pairs = new ArrayList<>();
      for (Map.Entry<?, ?> e : scala.jdk.javaapi.CollectionConverters.asJava((scala.collection.Map<?, ?>) v).entrySet()) {
        StringBuilder p = new StringBuilder("[");
        value(p, e.getKey(), m.keyType());
        p.append(',');
        value(p, e.getValue(), m.valueType());
        pairs.add(p.append(']').toString());
      }
      pairs.sort((x, y) -> Arrays.compareUnsigned(x.getBytes(StandardCharsets.UTF_8), y.getBytes(StandardCharsets.UTF_8)));
      b.append('[').append(String.join(",", pairs)).append(']');
    } else {
      text(b, v.toString()); // string, LocalDate
    }
  }

  static String stamp(LocalDateTime l) {
    return l.toLocalDate() + "T" + TIME.format(l);
  }

  static void text(StringBuilder b, String s) {
    b.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c == '"' || c == '\\') b.append('\\').append(c);
      else if (c < 0x20) b.append(String.format("\\u%04x", (int) c));
      else b.append(c);
    }
    b.append('"');
  }
}

{# Time, per engine. All instants are in UTC; differences are whole microseconds until the last step, so that sums
   do not depend on the order of the rows. #}

{% macro microseconds_between(earlier, later) -%}
    {{ return(adapter.dispatch('microseconds_between', 'statsig_runs')(earlier, later)) }}
{%- endmacro %}

{% macro default__microseconds_between(earlier, later) -%}
    cast(extract(epoch from ({{ later }} - {{ earlier }})) * 1000000 as bigint)
{%- endmacro %}

{% macro duckdb__microseconds_between(earlier, later) -%}
    (epoch_us({{ later }}) - epoch_us({{ earlier }}))
{%- endmacro %}

{% macro spark__microseconds_between(earlier, later) -%}
    (unix_micros({{ later }}) - unix_micros({{ earlier }}))
{%- endmacro %}

{% macro bigquery__microseconds_between(earlier, later) -%}
    timestamp_diff({{ later }}, {{ earlier }}, microsecond)
{%- endmacro %}

{% macro snowflake__microseconds_between(earlier, later) -%}
    datediff('microsecond', {{ earlier }}, {{ later }})
{%- endmacro %}

{% macro redshift__microseconds_between(earlier, later) -%}
    datediff(microsecond, {{ earlier }}, {{ later }})
{%- endmacro %}


{% macro seconds(microseconds) -%}
    cast({{ microseconds }} as {{ type_double() }}) / 1000000
{%- endmacro %}


{% macro seconds_between(earlier, later) -%}
    {{ seconds(microseconds_between(earlier, later)) }}
{%- endmacro %}


{# The UTC calendar day of an instant, whatever the session's time zone. #}
{% macro utc_date(instant) -%}
    {{ return(adapter.dispatch('utc_date', 'statsig_runs')(instant)) }}
{%- endmacro %}

{% macro default__utc_date(instant) -%}
    cast({{ instant }} at time zone 'UTC' as date)
{%- endmacro %}

{# Sixteen times as fast as the conversion of a zone. #}
{% macro duckdb__utc_date(instant) -%}
    cast(make_timestamp(epoch_us({{ instant }})) as date)
{%- endmacro %}

{# Spark has no zone of its own in a timestamp: the session's must be UTC. #}
{% macro spark__utc_date(instant) -%}
    cast({{ instant }} as date)
{%- endmacro %}

{% macro bigquery__utc_date(instant) -%}
    date({{ instant }}, 'UTC')
{%- endmacro %}

{% macro snowflake__utc_date(instant) -%}
    cast(convert_timezone('UTC', {{ instant }}) as date)
{%- endmacro %}


{# The instant at which a calendar day ends in UTC: midnight of the next one. #}
{% macro end_of_utc_day(day) -%}
    {{ return(adapter.dispatch('end_of_utc_day', 'statsig_runs')(day)) }}
{%- endmacro %}

{% macro default__end_of_utc_day(day) -%}
    (cast({{ day }} + interval '1 day' as timestamp) at time zone 'UTC')
{%- endmacro %}

{% macro spark__end_of_utc_day(day) -%}
    cast(date_add({{ day }}, 1) as timestamp)
{%- endmacro %}

{% macro bigquery__end_of_utc_day(day) -%}
    timestamp(date_add({{ day }}, interval 1 day), 'UTC')
{%- endmacro %}

{% macro snowflake__end_of_utc_day(day) -%}
    cast(to_varchar(cast(dateadd('day', 1, {{ day }}) as date), 'YYYY-MM-DD') || 'T00:00:00+00:00' as timestamp_tz)
{%- endmacro %}

{% macro redshift__end_of_utc_day(day) -%}
    (cast(dateadd(day, 1, {{ day }}) as timestamp) at time zone 'UTC')
{%- endmacro %}


{# An instant some seconds later; null seconds give null. In parentheses: what comes after must not bind to its last part. #}
{% macro add_seconds(instant, duration) -%}
    {{ return(adapter.dispatch('add_seconds', 'statsig_runs')(instant, duration)) }}
{%- endmacro %}

{% macro default__add_seconds(instant, duration) -%}
    ({{ instant }} + {{ duration }} * interval '1 second')
{%- endmacro %}

{% macro duckdb__add_seconds(instant, duration) -%}
    ({{ instant }} + to_microseconds(cast(round({{ duration }} * 1000000) as bigint)))
{%- endmacro %}

{% macro spark__add_seconds(instant, duration) -%}
    timestamp_micros(unix_micros({{ instant }}) + cast(round({{ duration }} * 1000000) as bigint))
{%- endmacro %}

{% macro bigquery__add_seconds(instant, duration) -%}
    timestamp_add({{ instant }}, interval cast(round({{ duration }} * 1000000) as int64) microsecond)
{%- endmacro %}

{% macro snowflake__add_seconds(instant, duration) -%}
    (dateadd('microsecond', round({{ duration }} * 1000000), {{ instant }}))
{%- endmacro %}

{% macro redshift__add_seconds(instant, duration) -%}
    (dateadd(microsecond, cast(round({{ duration }} * 1000000) as bigint), {{ instant }}))
{%- endmacro %}


{# The day that date stamps are counted by is so far ahead of UTC, all year: a fixed number of seconds. #}
{% macro ingestion_day_offset_seconds() -%}
    {{ return(var('day_utc_offset_hours') * 3600.0) }}
{%- endmacro %}

{# The ingestion day that an instant falls into. #}
{% macro ingestion_day(instant) -%}
    {{ utc_date(add_seconds(instant, ingestion_day_offset_seconds())) }}
{%- endmacro %}

{# The instant at which an ingestion day ends. #}
{% macro end_of_ingestion_day(day) -%}
    {{ add_seconds(end_of_utc_day(day), 0 - ingestion_day_offset_seconds()) }}
{%- endmacro %}

-- A message that is lost or counted twice makes a date look loaded once too rarely or too often.

select 'fct_source_date_reports' as mart
from (
    select
        coalesce(sum(message_count), 0) as counted,
        count(*) as row_count,
        max(case when status_class in ('success', 'empty', 'error', 'progress', 'unknown') then 0 else 1 end)
            as has_other_class
    from {{ ref('fct_source_date_reports') }}
) as totals
cross join (
    select count(*) as row_count
    from {{ ref('stg_ingestion_status_messages') }}
    where source_name is not null and date_stamp is not null
) as messages
cross join (
    select count(*) as row_count
    from (select distinct source, date_stamp from {{ ref('fct_source_date_reports') }}) as distinct_keys
) as distinct_dates
where
    totals.counted <> messages.row_count
    or totals.row_count <> distinct_dates.row_count
    or totals.has_other_class = 1
